"""A whole internet ready to use, for people: built once, entered from any process, removed by its name."""
