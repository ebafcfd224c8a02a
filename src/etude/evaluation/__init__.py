"""Measures of a model, with their intervals."""
