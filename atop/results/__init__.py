"""Measured results: records, released records, their verification, checks and findings."""
