"""Runs a written graph in other processes: a pool on this machine, or jobs of a cluster."""
