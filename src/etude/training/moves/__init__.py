"""What moves the other models of a stage between its steps."""
