"""Answers in words: ``Tuesday``, ``even``, ``does not exist``."""

from __future__ import annotations

import re


def listed(text: str) -> frozenset[str]:
    """Return the words of a list that is written as a text."""
    return frozenset(text.split())


#: Nouns that say nothing more beside an adjective: an even function is even.
_NOUNS = listed(
    "function number integer value sequence series matrix graph polynomial curve triangle angle "
    "set relation equation solution answer day line"
)
_ARTICLES = listed("the a an is are it its")

#: Phrases that say the same.
_SAME: tuple[frozenset[str], ...] = (
    frozenset(
        (
            "does not exist",
            "doesnt exist",
            "do not exist",
            "dne",
            "undefined",
            "not defined",
            "is undefined",
            "is not defined",
            "limit does not exist",
        )
    ),
    frozenset(
        (
            "no solution",
            "no solutions",
            "none",
            "no real solution",
            "no real solutions",
            "empty set",
            "no such number",
            "there are no solutions",
            "there is no solution",
        )
    ),
    frozenset(("infinity", "infinite", "infinitely many", "infinitely many solutions")),
    frozenset(
        ("all real numbers", "all reals", "any real number", "every real number", "real numbers")
    ),
)
_FUNCTIONS = listed("sin cos tan cot sec csc log ln exp sqrt arcsin arccos arctan gcd lcm")
_TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")


def words(text: str) -> list[str]:
    """Return the words of a cleaned answer in small letters, without marks between them."""
    flat = _TEXT.sub(r" \1 ", text).replace("'", "").replace("\u2019", "")
    return re.findall(r"[^\W\d_]+", flat.casefold())


def is_phrase(text: str) -> bool:
    """Return whether a cleaned answer is made of words alone, and of no symbols.

    Letters that may be a product (``ab``, ``xyz``) and names of functions are no words.
    """
    flat = _TEXT.sub(r" \1 ", text).strip()
    if not flat or re.search(r"[\d\\^_<>=+*/|{}\[\]]", flat):
        return False
    found = words(flat)
    if not found or any(word in _FUNCTIONS for word in found):
        return False
    if not re.fullmatch(r"[^\W\d_][\w\s.,;:'’\"!?()-]*", flat):
        return False
    return "\\text" in text or max(map(len, found)) >= 4 or (len(found) > 1 and len(found[0]) > 1)


def same_phrase(given: str, gold: str) -> bool:
    """Return whether two answers in words say the same."""
    mine, right = words(given), words(gold)
    if not mine or not right:
        return False
    if "".join(mine) == "".join(right):
        return True
    mine = [word for word in mine if word not in _ARTICLES] or mine
    right = [word for word in right if word not in _ARTICLES] or right
    if mine == right:
        return True
    for longer, shorter in ((mine, right), (right, mine)):
        if longer[:-1] == shorter and longer[-1] in _NOUNS:
            return True
    return any(" ".join(mine) in group and " ".join(right) in group for group in _SAME)


def meaning(text: str) -> str | None:
    """Return ``none`` or ``all`` of a cleaned answer that means no or every number, or None."""
    plain = re.sub(r"\\text\s*\{([^{}]*)\}", r"\1", text).strip()
    flat = re.sub(r"\s+", "", plain)
    if flat in ("\\{\\}", "\\emptyset") or " ".join(words(plain)) in _SAME[1]:
        return "none"
    if flat in ("\\mathbb{R}", "(-\\infty,\\infty)") or " ".join(words(plain)) in _SAME[3]:
        return "all"
    return None
