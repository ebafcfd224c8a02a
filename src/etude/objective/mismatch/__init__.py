"""Corrections of what differs between the engine's log-probs and the trainer's."""
