"""When the trained model takes the place of the one that samples."""
