"""Changes to rewards before advantages."""
