"""Seeing what became of a run, and steering it: status, logs, cancelling, watching."""
