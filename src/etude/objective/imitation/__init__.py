"""Demonstrations that join every update."""
