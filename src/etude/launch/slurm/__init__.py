"""SLURM: submitting a graph as job arrays, and asking what became of it."""
