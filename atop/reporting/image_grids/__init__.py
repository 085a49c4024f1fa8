"""The picture grids (Figures 3 and 5-9): what they show, how it is made, how it is drawn."""
