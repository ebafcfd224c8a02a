"""The page itself: one HTML file that asks nothing of any host and runs nothing but its own script.

Whatever a template shows goes through :func:`_shown` and is then escaped, so a text of a model or
of a file is a text: control characters are written out, and no tag of it becomes one.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from etude.printable import printable

_PARTS = "etude.report"


def render(content: Mapping[str, Any]) -> str:
    """Return the page of what :mod:`etude.report.contents` found."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    def shown(value: Any) -> Any:
        return value if isinstance(value, Markup) or not isinstance(value, str) else _shown(value)

    environment = Environment(
        loader=FunctionLoader(lambda name: _part(f"templates/{name}")),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = _part("page.css"), _part("page.js")
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    # What stands between the tags is what the hashes are of, to the last character.
    own = {"style": Markup(style), "script": Markup(script), "policy": policy}
    return environment.get_template("page.html").render({**content, **own})


def _part(name: str) -> str:
    return files(_PARTS).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _shown(text: str) -> str:
    """Return a text with what would steer a reader written out; tabs steer nobody in a page."""
    return "\t".join(map(printable, text.split("\t")))
