"""What keeps an answer from a model that judges: whatever could talk it into a yes.

A model is asked about answers that a rule did not find right, which is where a policy finds what
the model accepts (arXiv 2505.22203). Every guard looks at the extracted answer and the right one
alone, in bounded time.
"""

from __future__ import annotations

import re
import unicodedata

from etude.verifier.number import numbers

#: LaTeX that changes no meaning.
_SPACING = re.compile(
    r"\\[!,;: ]|\\(?:left|right)(?![a-zA-Z])|\\(?:displaystyle|quad|qquad)(?![a-zA-Z])|[$~]"
)
_COMMAND = re.compile(r"\\[a-zA-Z]+")
_UPRIGHT = re.compile(r"\\(?:text|mbox|mathrm|textbf|mathbf|operatorname)(?![a-zA-Z])")
_THOUSANDS = re.compile(r"(?<=\d)(?:,|\{,\}|\\,)(?=\d{3}(?!\d))")
_WORD = re.compile(r"[^\W\d_]{2,}")
_OPERATOR = re.compile(r"[+\-*/^=<>|]")
_FUNCTIONS = re.compile(
    r"(?:arc)?(?:sin|cos|tan|cot|sec|csc)h?|log|ln|exp|sqrt|max|min|gcd|lcm|mod|pi|inf|infty|det"
    r"|rank|arg",
    re.IGNORECASE,
)
_OR = re.compile(r"\b(?:or|and)\b|[;\n]", re.IGNORECASE)
_RELATION = re.compile(r"[<>≤≥∈]|\\(?:in|le|ge|leq|geq|lt|gt|ne|neq|subset)(?![a-zA-Z])")
_EMPTY_FRAME = re.compile(r"\{\s*\}|</?[a-zA-Z]\w*\s*/?>")
#: What a rule may not get to the end of, or what has no value.
_ENDLESS = re.compile(
    r"\\(?:sum|prod|int|lim|bigcup|bigcap)(?![a-zA-Z])|\^\s*\{?[\w.\\]{1,12}\^|!\s*!|\d{4,}\s*!"
    r"|\\[dt]?frac\{[^{}]*\}\{\s*0+(?:\.0*)?\s*\}|/\s*0+(?:\.0*)?(?![\d.])"
)
_OPENING = {"(": ")", "[": "]", "{": "}"}


def refusal(answer: str | None, gold: str, longest: int = 256) -> str | None:
    """Return why a model is not asked whether an answer equals ``gold``; None where it is.

    ``longest`` is in characters.
    """
    if answer is None or not (read := normal(answer)):
        return "no answer was found"
    if max(len(answer), len(read)) > longest:
        return f"the answer is longer than {longest} characters"
    if any(unicodedata.category(sign) in ("Cc", "Cf", "Co", "Cn", "Cs") for sign in read):
        return "the answer holds control characters, or some without width"
    if not any(sign.isalnum() for sign in _SPACING.sub("", read)):
        return "the answer is signs alone"
    if not balanced(read):
        return "the answer's brackets do not close"
    if _EMPTY_FRAME.search(read):
        return "the answer holds a frame with nothing in it"
    if re.search(r"\\(?:boxed|fbox)", read):
        return "the answer holds another box, as a verdict would"
    return _other_kind(read, normal(gold))


def _other_kind(read: str, gold: str) -> str | None:
    """Return how an answer is of another kind than the right one; None where it may be the same."""
    if candidates(read) > max(candidates(gold), members(gold)):
        return "the answer names more candidates than the right one"
    if _ENDLESS.search(read) and not _ENDLESS.search(gold):
        return "the answer is an expression without value, or one that is not worked out"
    if not is_mathematical(gold):
        return None
    if not is_mathematical(read):
        return "the answer is words, and the right one is mathematics"
    if is_number(gold):
        if is_number(read):
            return "both are numbers, which a rule compares"
        if members(read) > 1 or _RELATION.search(read):
            return "the answer is a range or a collection, and the right one is a number"
    if is_number(read) and max(members(gold), candidates(gold)) > 1:
        return "the answer is a number, and the right one has several"
    if all(re.fullmatch(r"\(?[A-Za-z]\)?", each) for each in (read, gold)):
        return "both are letters, which a rule compares"
    return None


def normal(answer: str) -> str:
    """Return an answer with the characters of other scripts that mean the same folded (NFKC)."""
    return unicodedata.normalize("NFKC", answer).strip()


def balanced(text: str) -> bool:
    """Return whether brackets close; intervals may be half open, ``[0, 1)``."""
    open_: list[str] = []
    for sign in text.replace("\\{", "(").replace("\\}", ")"):
        if sign in _OPENING:
            open_.append(sign)
        elif sign in ")]}" and (not open_ or (open_.pop() == "{") != (sign == "}")):
            return False
    return not open_


def candidates(text: str) -> int:
    """Return how many answers a text names side by side, outside brackets; ``\\pm`` names two."""
    outside = "".join(sign for sign, depth in _depths(text) if depth == 0)
    plus_minus = 2 if re.search(r"\\pm(?![a-zA-Z])|±", text) else 1
    return max(plus_minus, 1 + outside.count(",") + len(_OR.findall(text)))


def members(text: str) -> int:
    """Return how many members the outermost brackets of a text have: those of a tuple or a set."""
    return 1 + sum(sign == "," and depth == 1 for sign, depth in _depths(text))


def _depths(text: str) -> list[tuple[str, int]]:
    """Return each character with the number of brackets around it."""
    bare = _THOUSANDS.sub("", _SPACING.sub("", text))
    bare = bare.replace("\\langle", "(").replace("\\rangle", ")")
    depth, found = 0, []
    for sign in bare:
        if sign in ")]}":
            depth = max(0, depth - 1)
        found.append((sign, depth))
        if sign in _OPENING:
            depth += 1
    return found


def is_mathematical(text: str) -> bool:
    """Return whether a text is a number or an expression, and no words.

    Names of functions and LaTeX commands are no words, nor is one unit beside a digit.
    """
    plain = _UPRIGHT.sub(" ", _SPACING.sub("", normal(text)))
    plain = _COMMAND.sub(" 1 ", plain)
    words = [word for word in _WORD.findall(plain) if not _FUNCTIONS.fullmatch(word)]
    if len(words) > int(any(sign.isdigit() for sign in plain)):
        return False
    return bool(re.search(r"\d|\b[^\W_]\b", plain) or _OPERATOR.search(plain))


def is_number(text: str) -> bool:
    """Return whether a text is one plain number, with a unit or a sign of currency at most."""
    bare = _THOUSANDS.sub("", _SPACING.sub("", normal(text)))
    bare = _UPRIGHT.sub("", re.sub(r"\\(?:text|mbox|mathrm)\s*\{[^{}]*\}", "", bare))
    bare = re.sub(r"\\[%$]|[%$€£°]|\^\\circ|\^\{\\circ\}", "", bare).strip()
    bare = re.sub(r"(?<=\d)\s*[^\W\d_]+\.?$", "", bare).rstrip(".")
    found = numbers(bare)
    return len(found) == 1 and found[0][0] == bare.strip()
