"""What is minimised for every token."""
