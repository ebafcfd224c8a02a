"""From checked configs to one graph of stages and evaluations, named by fingerprint."""
