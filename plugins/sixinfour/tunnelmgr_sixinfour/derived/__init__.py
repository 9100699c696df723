"""6to4 and 6rd: outer addresses follow from inner ones."""
