"""What a person sees in a terminal."""

from etude.view.observers import make_observers

__all__ = ["make_observers"]
