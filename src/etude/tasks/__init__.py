"""Worlds of generated tasks: what their sources make rows of and their verifiers judge by."""
