"""What is to be run: settings, cells, tables, paths, the DAG. Nothing here imports torch."""
