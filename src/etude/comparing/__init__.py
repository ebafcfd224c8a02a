"""Measurements compared: paired on the same problems, with intervals, tests and what is unfair."""
