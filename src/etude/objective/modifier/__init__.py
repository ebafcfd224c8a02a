"""Changes to single token losses."""
