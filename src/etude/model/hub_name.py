"""What a text that should name a model can be: a path, or a name on the hub."""

from __future__ import annotations

import re
from pathlib import Path

_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)


def may_be_a_name(text: str) -> bool:
    """Tell whether a text may be OWNER/NAME on the hub."""
    return "/" in text and not is_path(text)


def is_path(text: str) -> bool:
    """Tell whether a text is meant as a path: no name on the hub looks like it."""
    first = Path(text).parts[:1]
    inside = "/" in text and bool(first) and Path(first[0]).is_dir()
    return (
        text.startswith((".", "/", "~"))
        or not _NAME.fullmatch(text)
        or inside
        or (Path(text).is_file())
    )
