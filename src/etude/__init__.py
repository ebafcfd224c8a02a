"""etude composes post-training recipes for language models from published parts."""

__version__ = "0.1.0"
