"""What runs a program that reads its standard input and prints; it has no channel to anybody."""

from __future__ import annotations

import os
import sys
from typing import Any

from etude.verifier.sandbox.hindering import hinder


def main(job: dict[str, Any]) -> None:
    """Run the program, as the main module of this interpreter."""
    for descriptor in (3, 4):
        os.close(descriptor)
    names = sys.modules["__main__"].__dict__
    names.clear()
    names.update(__name__="__main__", __builtins__=__builtins__, __doc__=None)
    if job["hook"]:
        hinder(os.getcwd())
    exec(compile(job["source"], "<program>", "exec", dont_inherit=True), names)
