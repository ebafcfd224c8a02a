"""The commands `train`, `evaluate` and `etude`."""
