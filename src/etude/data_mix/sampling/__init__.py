"""In which order, and how often, the rows of a part are visited."""
