"""A run as one HTML file that explains itself: gathered, drawn, written."""
