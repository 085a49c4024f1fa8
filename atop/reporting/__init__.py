"""Tables, figures, image grids and the report, from records. Nothing here imports torch."""
