"""Running a graph: stage folders, attempts, checkpoints, hand-off."""
