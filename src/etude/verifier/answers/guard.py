"""What an extracted answer has to be before a model is asked about it (arXiv 2505.22203).

A policy that is rewarded by a model learns to write what the model says yes to: symbols, openers,
explanations, several answers at once. An answer that does not look like the right one in kind is
turned away before the model sees it.
"""

from __future__ import annotations

import re
import unicodedata

from etude.verifier.answers.brackets import balanced
from etude.verifier.answers.kinds import Kind, candidates, kind_of

#: The most characters of an answer that a model is asked about.
LONGEST = 256

_EMPTY_COMMANDS = re.compile(r"\\(?:text|boxed|left|right|frac)\b")


def guard(extraction: str | None, gold: str, longest: int = LONGEST) -> str | None:
    """Return why a model is not asked whether an extraction answers for a gold; None: it may be.

    Both are texts as they were written. The reasons, in this order: it is empty, longer than
    ``longest`` characters, has control or invisible characters after Unicode's NFKC, is punctuation
    only, has brackets that do not close, repeats itself, gives more candidates than the right
    answer has, is of another kind than the right answer (words for a number), or both are plain
    numbers, which a model knows no better.
    """
    if extraction is None or not extraction.strip():
        return "there is no answer"
    if len(extraction) > longest:
        return f"it has {len(extraction)} characters, more than {longest}"
    normal = unicodedata.normalize("NFKC", extraction)
    hidden = [each for each in normal if unicodedata.category(each) in ("Cc", "Cf", "Co", "Cs")]
    if any(each not in "\n\t\r" for each in hidden):
        return "it has characters that cannot be seen"
    if not any(
        each.isalnum() for each in re.sub(r"\\(?:text|boxed|left|right|frac)\b", "", normal)
    ):
        return "it is punctuation only"
    if not balanced(normal):
        return "its brackets do not close"
    if _repeats(normal):
        return "it repeats itself"
    given, right = kind_of(extraction), kind_of(gold)
    if given is Kind.NUMBER and right is Kind.NUMBER:
        return "both are numbers, which the rule compares"
    many, asked = candidates(extraction), candidates(gold)
    if many > asked:
        return f"it gives {many} answers where {asked} is asked"
    if given is not right and Kind.TEXT in (given, right):
        return f"it is {given}, the right answer {right}"
    return None


def _repeats(text: str) -> bool:
    """Return whether 2 to 20 characters stand six times in a row, or one twelve times."""
    return re.search(r"(\S{2,20}?)\1{5}|(\S)\2{11}", text) is not None
