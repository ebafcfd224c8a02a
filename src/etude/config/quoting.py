"""Overrides and commands as a person pastes them into bash, quoted only where bash needs it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

#: As much of what was typed as a message repeats.
LONGEST = 200

#: What bash leaves as it is; a tilde can be a home folder.
_PLAIN = re.compile(r"[\w@%+=:,./…-]*")

_KEY = re.compile(r"(?P<key>[+~]{0,2}[\w./@:-]+)=(?P<value>.*)", re.DOTALL)

#: What Hydra's grammar reads as one piece of text, and no number, without quotes around it.
_BARE = re.compile(
    r"(?!(?:null|true|false|inf|nan)$)[A-Za-z/_][\w./@%+:-]*", re.ASCII | re.IGNORECASE
)

#: What is in quotes, or else a word that is not all ASCII.
_FOREIGN = re.compile(
    r"""\"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|([^\s,()\[\]{}:="']*[^\x00-\x7f\s][^\s,()\[\]{}:="']*)""",
    re.ASCII,  # a no-break space is no blank to Hydra
)


def pasted(word: str) -> str:
    r"""Return one word of a command as it is typed in bash; of an override, quote only the value.

    Every line that tells a person what to type goes through here or :func:`command`:
    ``pipeline=[rl]`` becomes ``pipeline='[rl]'``, ``seed=1,2`` stays, and what holds control
    characters becomes ``$'…\n…'`` on one line.
    """
    found = _KEY.fullmatch(word)
    if found is None or not found["value"]:
        return _quoted(word)
    return f"{found['key']}={_quoted(found['value'])}"


def command(words: Iterable[str]) -> str:
    """Return the words of a command (``["train", "seed=1"]``) as one line to paste into bash."""
    return " ".join(map(pasted, words))


def as_text(key: str, value: str) -> str:
    """Return the override that sets a key to a text, whatever is in it, to paste into bash.

    Hydra's own quotes are put around what its grammar would read as something else.
    """
    return pasted(f"{key}={text(value)}")


def text(value: str) -> str:
    """Return a text as Hydra's grammar reads it back, in quotes where it needs them."""
    if _BARE.fullmatch(value):
        return value
    # Backslashes count only before a quote (or at the end, where the closing one follows).
    inside = re.sub(r'(\\*)("|$)', lambda m: m[1] * 2 + (f"\\{m[2]}" if m[2] else ""), value)
    inside = inside.replace("${", "\\${")
    return f'"{inside}"'


def list_of_text(value: str) -> str | None:
    """Return ``[a(b, c]`` as a list of quoted texts, or None for what begins as no list."""
    if not value.startswith("["):
        return None
    items = [item.strip().strip("\"'") for item in value.strip("[] ").split(",")]
    return "[" + ",".join(map(text, items)) + "]"


def with_foreign_quoted(override: str) -> str:
    """Return an override whose words in letters beyond ASCII are in quotes, as Hydra wants them."""
    if override.isascii():
        return override
    key, equals, value = override.partition("=")
    return key + equals + _FOREIGN.sub(lambda m: m[0] if m[1] is None else f'"{m[1]}"', value)


def _quoted(word: str) -> str:
    if word and _PLAIN.fullmatch(word):
        return word
    if any(not each.isprintable() for each in word):
        return "$'" + "".join(map(_escaped, word)) + "'"
    if "'" in word and not re.search(r'[$`"\\!]', word):
        return f'"{word}"'
    return shlex.quote(word)


def _escaped(character: str) -> str:
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "'": "\\'", "\\": "\\\\"}
    if character in short:
        return short[character]
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def shortened(text: str) -> str:
    """Return a text as far as a message repeats it."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
