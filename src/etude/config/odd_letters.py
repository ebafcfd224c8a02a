"""Letters that look like plain ones and are not: a Cyrillic о in a pasted name."""

from __future__ import annotations

import unicodedata

#: Cyrillic and Greek letters beside the Latin ones they look like.
_ALIKE = str.maketrans(
    "асеһіјкӏмнорԛѕтхуԝАВСЕНІЈКМОРЅТХУ" + "αορνικχγυΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "acehijklmhopqstxywABCEHIJKMOPSTXY" + "aopvikxyuABEZHIKMNOPTYX",
)


def plain(word: str) -> str:
    """Return a word with its look-alikes as the letters they look like, and nothing invisible."""
    shown = unicodedata.normalize("NFKC", word).translate(_ALIKE)
    return "".join(each for each in shown if unicodedata.category(each) not in ("Cf", "Cc", "Zs"))


def named(word: str) -> str:
    """Return "'о' is CYRILLIC SMALL LETTER O" for each odd letter of a name; nothing for none."""
    odd = dict.fromkeys(each for each in word if not each.isascii() or not each.isprintable())
    return ", ".join(f"{_shown(each)} is {_name(each)}" for each in list(odd)[:3])


def _shown(letter: str) -> str:
    return f"'{letter}'" if letter.isprintable() else f"U+{ord(letter):04X}"


def _name(letter: str) -> str:
    return unicodedata.name(letter, "a control character")
