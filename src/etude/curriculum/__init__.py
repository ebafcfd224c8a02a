"""What changes from step to step."""
