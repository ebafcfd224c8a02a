"""What finished stages, evaluations and checkpoints tell beside each other: plain arithmetic."""
