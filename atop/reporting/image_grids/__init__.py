"""Image grids (Figures 3 and 5-9): captions, layout and drawing."""
