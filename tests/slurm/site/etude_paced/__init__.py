"""A plug-in for tests: a tracker that slows a stage down, or has it hang."""
