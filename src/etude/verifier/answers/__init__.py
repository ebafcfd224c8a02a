"""How final answers are written and when two of them say the same: one idea a file."""
