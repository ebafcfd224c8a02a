"""Where a graph of stages runs."""
