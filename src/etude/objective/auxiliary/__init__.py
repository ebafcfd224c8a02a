"""Losses beside the policy loss."""
