"""Docstrings as Markdown: the code that a role names, and angle brackets that are no HTML."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|exc):`~?([^`]+)`")
_CODE = re.compile(r"(`+[^`]+`+)")


class DocstringRoles(griffe.Extension):
    """Rewrites every docstring before it is rendered."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Change the docstring of an object that was read."""
        if obj.docstring is not None:
            parts = _CODE.split(_ROLE.sub(r"`\1`", obj.docstring.value))
            parts[::2] = (part.replace("<", "&lt;") for part in parts[::2])
            obj.docstring.value = "".join(parts)
