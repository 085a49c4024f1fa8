"""What was measured: records, released records, their verification, checks and findings."""
