"""From a command line to a checked config, without importing anything heavy."""
