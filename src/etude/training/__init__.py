"""How long a stage trains, and on how many rows."""
