"""What lies under ``outputs/`` as plain records: runs, stages, evaluations and their lines."""
