"""What a demonstration's token costs."""
