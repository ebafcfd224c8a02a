"""Files whose names say that they hold a secret: no diff and no copy of code takes them."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import PurePath

#: Files that hold keys or passwords by their name alone, in small letters.
_ALWAYS = (
    ".env",
    ".env.*",
    "*.env",
    ".envrc",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.ppk",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    ".netrc",
    "_netrc",
    ".npmrc",
    ".pypirc",
    ".pgpass",
    ".htpasswd",
    ".git-credentials",
)

#: Folders of which nothing is taken.
_FOLDERS = frozenset({".ssh", ".aws", ".gnupg", ".kube", ".docker", "secrets", ".secrets"})

#: Words that a name ends in, or has in it, where the file holds one.
_LAST = frozenset({"token", "tokens", "apikey", "key", "keys", "password", "passwords", "passwd"})
_ANYWHERE = frozenset({"secret", "secrets", "credential", "credentials"})

#: What holds code or prose, and what tokenizers are written in.
_CODE = frozenset({".py", ".pyi", ".md", ".rst", ".ipynb", ".c", ".cpp", ".cu", ".h", ".sh", ".js"})
_KNOWN = frozenset({"added_tokens.json"})


def holds_secret(path: str) -> bool:
    """Tell whether a file's path says that it holds a secret: ``.env``, ``hf_token``, ``a.pem``."""
    place = PurePath(path.lower())
    name = place.name
    if any(fnmatchcase(name, pattern) for pattern in _ALWAYS):
        return True
    if place.suffix in _CODE or name in _KNOWN:
        return False
    if not _FOLDERS.isdisjoint(place.parts[:-1]):
        return True
    words = re.split(r"[^a-z]+", name.removesuffix(place.suffix).strip("._-"))
    return words[-1] in _LAST or not _ANYWHERE.isdisjoint(words)
