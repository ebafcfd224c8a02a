"""What keeps an answer from a model that judges: whatever could talk it into a yes.

A model is asked about answers that a rule did not find right, which is where a policy finds what
the model accepts (arXiv 2505.22203). To what an answer has to be to be judged at all
(``answers/guard.py``) come kinds of answers that cannot be the right one, whatever they are worth.
Every guard looks at the extracted answer and the right one alone, in bounded time.
"""

from __future__ import annotations

import re
import unicodedata

from etude.verifier.answers.guard import LONGEST, guard
from etude.verifier.answers.kinds import Kind, candidates, kind_of

_SPACING = re.compile(r"\\[!,;: ]|\\(?:left|right)(?![a-zA-Z])|[$~]")
_THOUSANDS = re.compile(r"(?<=\d)(?:,|\{,\}|\\,)(?=\d{3}(?!\d))")
_WORD = re.compile(r"[^\W\d_]{3,}")
_FUNCTION = re.compile(
    r"(?:arc)?(?:sin|cos|tan|cot|sec|csc)h?|log|exp|sqrt|max|min|gcd|lcm|mod|inf|infty|det|rank|arg",
    re.IGNORECASE,
)
_RELATION = re.compile(r"[<>≤≥∈]|\\(?:in|le|ge|leq|geq|lt|gt|ne|neq|subset)(?![a-zA-Z])")
_EMPTY_FRAME = re.compile(r"\{\s*\}|</?[a-zA-Z]\w*\s*/?>")
#: What a rule may not get to the end of, or what has no value.
_ENDLESS = re.compile(
    r"\\(?:sum|prod|int|lim|bigcup|bigcap)(?![a-zA-Z])|\^\s*\{?[\w.\\]{1,12}\^|!\s*!|\d{4,}\s*!"
    r"|\\[dt]?frac\{[^{}]*\}\{\s*0+(?:\.0*)?\s*\}|/\s*0+(?:\.0*)?(?![\d.])"
)


def refusal(answer: str | None, gold: str, longest: int = LONGEST) -> str | None:
    """Return why a model is not asked whether an answer equals ``gold``; None where it is.

    ``longest`` is in characters.
    """
    why = guard(answer, gold, longest)
    if why is not None or answer is None:
        return why
    read, right = normal(answer), normal(gold)
    if _EMPTY_FRAME.search(read):
        return "it has a frame with nothing in it"
    if re.search(r"\\(?:boxed|fbox)", read):
        return "it has a box of its own, as a verdict would"
    if _ENDLESS.search(read) and not _ENDLESS.search(right):
        return "it is an expression without value, or one that is not worked out"
    return _other_kind(read, right)


def _other_kind(read: str, right: str) -> str | None:
    """Return how an answer is of another kind than the right one; None where it may be the same."""
    given, wanted = kind_of(read), kind_of(right)
    if wanted in (Kind.NUMBER, Kind.MATH) and _has_words(read) and not _has_words(right):
        return "it has words in it, and the right answer none"
    if wanted is Kind.NUMBER and (members(read) > 1 or _RELATION.search(read)):
        return "it is a range or a collection, and the right answer a number"
    if given is Kind.NUMBER and max(members(right), candidates(right)) > 1:
        return "it is a number, and the right answer has several"
    if given is wanted is Kind.CHOICE:
        return "both are choices, which the rule compares"
    return None


def normal(answer: str) -> str:
    """Return an answer with the characters of other scripts that mean the same folded (NFKC)."""
    return unicodedata.normalize("NFKC", answer).strip()


def members(text: str) -> int:
    """Return how many members the outermost brackets of a text have: those of a tuple or a set."""
    bare = _THOUSANDS.sub("", _SPACING.sub("", text))
    bare = bare.replace("\\langle", "(").replace("\\rangle", ")")
    depth, found = 0, 1
    for sign in bare:
        if sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
        elif sign == "," and depth == 1:
            found += 1
    return found


def _has_words(text: str) -> bool:
    """Return whether a text has words: names of functions and LaTeX commands are none."""
    plain = re.sub(r"\\[a-zA-Z]+", " ", text)
    found = [word for word in _WORD.findall(plain) if not _FUNCTION.fullmatch(word)]
    return len(found) > int(any(sign.isdigit() for sign in plain))  # one unit beside a number
