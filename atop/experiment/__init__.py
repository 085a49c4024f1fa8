"""The plan: settings, cells, tables, paths, the DAG. Nothing here imports torch."""
