"""What is told to everybody, without places on this machine and without secrets.

A recipe holds what a person typed: folders of their own, and at worst a key. Of an absolute path
the last part stays, of a secret nothing; what reads the environment is written as it was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: What stands where a secret was.
LEFT_OUT = "(left out)"

#: An absolute path, or one below a home folder; no part of a URL, of a tag or of a relative path.
_PATH = re.compile(
    r"(?<![\w./~>)\]}-])(?:file://)?(?:~[\w.-]*)?(?:/[^\s/'\"`,:;|()\[\]{}<>=*?\\]+)+/?"
)

#: Tokens of well-known services, and what a URL holds before its host.
_TOKENS = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{16,}|api_org_[A-Za-z0-9]{16,}|sk-[\w-]{16,}|gh[pousr]_[A-Za-z0-9]{16,}"
    r"|github_pat_\w{16,}|xox[abprs]-[\w-]{10,}|AKIA[A-Z0-9]{12,}|AIza[\w-]{30,})"
)
_USER = re.compile(r"(?<=://)[^\s/@]+@")

#: Keys whose text is a secret.
_SECRET = re.compile(
    r"(?:\w*_)?(?:api_?key|access_?key|secret|password|passwd|credentials?)"
    r"|(?:\w*_)?(?:api|access|auth|hub|hf|bearer|secret)_token|token|key",
    re.IGNORECASE,
)


def text(value: str) -> str:
    """Return a text without absolute paths (their last part stays) and without tokens."""
    return _PATH.sub(_last_part, _USER.sub("", _TOKENS.sub(LEFT_OUT, value)))


def holds_token(value: str) -> bool:
    """Tell whether a text holds what looks like a token of a well-known service."""
    return _TOKENS.search(value) is not None


def tree(value: Any, key: str = "") -> Any:
    """Return a config or a record without places on this machine and without secrets.

    ``key`` is the one that the value stands under.
    """
    if isinstance(value, Mapping):
        return {str(name): tree(item, str(name)) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [tree(item, key) for item in value]
    if not isinstance(value, str):
        return value
    if value and _SECRET.fullmatch(key) and "${" not in value:
        return LEFT_OUT
    if value.startswith(("/", "~/")) and "\n" not in value and value.count("/") > 1:
        return text(value.rstrip("/").rpartition("/")[2])  # a path may have blanks in it
    return text(value)


def word(override: str) -> str:
    """Return an override as it may be shown: of ``model.path=/home/me/qwen`` the ``qwen``."""
    key, equals, value = override.partition("=")
    if not equals:
        return text(override)
    return f"{key}={tree(value, key.lstrip('+~').rpartition('.')[2])}"


def _last_part(found: re.Match[str]) -> str:
    path = found[0].removeprefix("file://").rstrip("/")
    *before, last = [part for part in path.split("/") if part]
    return last if before else found[0]  # the one name of a route is no place
