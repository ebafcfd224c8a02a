"""Writing an answer one way: Unicode, Markdown and LaTeX that change no meaning are taken away."""

from __future__ import annotations

import re
import unicodedata

from etude.verifier.answers.brackets import wrapped

_CHARACTERS = {
    **dict.fromkeys("−–—‐‑‒﹣－", "-"),
    **dict.fromkeys("°º˚", "^{\\circ}"),
    **dict.fromkeys("\u2009\u202f\u200a\u2008", "\\,"),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff", ""),
    "×": "\\times ",
    "⋅": "\\cdot ",
    "·": "\\cdot ",
    "÷": "/",
    "±": "\\pm ",
    "≤": "\\le ",
    "≥": "\\ge ",
    "⩽": "\\le ",
    "⩾": "\\ge ",
    "≠": "\\ne ",
    "≈": "\\approx ",
    "∞": "\\infty ",
    "π": "\\pi ",
    "∈": "\\in ",
    "∪": "\\cup ",
    "∩": "\\cap ",
    "∅": "\\emptyset ",
    "∖": "\\setminus ",
    "ℝ": "\\mathbb{R}",
    "ℤ": "\\mathbb{Z}",
    "⟨": "\\langle ",
    "⟩": "\\rangle ",
    "∨": "\\lor ",
    "∧": "\\land ",
    "θ": "\\theta ",
}
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_ROOT = re.compile(r"√\s*(\d+(?:\.\d+)?|[A-Za-z]|\([^()]*\))")

_COMMANDS = {
    **dict.fromkeys(("dfrac", "tfrac", "cfrac"), "\\frac"),
    **dict.fromkeys(("dbinom", "tbinom"), "\\binom"),
    **dict.fromkeys(("leq", "leqslant", "leqq"), "\\le "),
    **dict.fromkeys(("geq", "geqslant", "geqq"), "\\ge "),
    **dict.fromkeys(("neq", "not="), "\\ne "),
    **dict.fromkeys(("lt",), "<"),
    **dict.fromkeys(("gt",), ">"),
    **dict.fromkeys(("varnothing",), "\\emptyset "),
    **dict.fromkeys(("backslash", "smallsetminus"), "\\setminus "),
    **dict.fromkeys(("lbrace",), "\\{"),
    **dict.fromkeys(("rbrace",), "\\}"),
    **dict.fromkeys(("lbrack",), "["),
    **dict.fromkeys(("rbrack",), "]"),
    **dict.fromkeys(("left", "right", "displaystyle", "textstyle", "limits", "nolimits"), ""),
    **dict.fromkeys(
        ("big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl", "Bigr", "biggl", "biggr"), ""
    ),
    **dict.fromkeys(("quad", "qquad", "thinspace", "enspace", "hfill", "nobreakspace"), " "),
    **dict.fromkeys(("ldots", "dots", "cdots", "dotsc"), "..."),
    **dict.fromkeys(("degree", "textdegree"), "^{\\circ}"),
    **dict.fromkeys(("ast",), "\\cdot "),
    **dict.fromkeys(("percent",), "\\%"),
    **dict.fromkeys(("dollar", "textdollar"), "\\$"),
    **dict.fromkeys(("euro", "texteuro"), "€"),
    **dict.fromkeys(("pounds",), "£"),
    **dict.fromkeys(("vee",), "\\lor "),
    **dict.fromkeys(("wedge",), "\\land "),
    **dict.fromkeys(("reals", "R"), "\\mathbb{R}"),
}
_COMMAND = re.compile(r"\\([A-Za-z]+)(?:\s+(?=[^A-Za-z\s])|(?![A-Za-z]))")
_WORDS = re.compile(
    r"\\(?:text|textbf|textit|textrm|textsf|texttt|textnormal|mbox|hbox|emph|mathrm|mathsf|mathit)"
    r"\s*(?=\{)"
)
_BARE = re.compile(
    r"\\(?:mathbf|boldsymbol|bm|boxed|fbox|pmb|mathord|mathop|ensuremath|underline|operatorname)"
    r"\s*(?=\{)"
)
_SPACES = re.compile(r"\\[;: ]|~|\s+")
_THIN = re.compile(r"(?<=\d)(?:\\,|\{,\}|,\\!|\\!,)(?=\d{3}(?!\d))")
_DELIMITERS = re.compile(r"(?<!\\)\\[()]|(?<!\\)\\[\[\]](?!\d*pt)")
_DOLLAR = re.compile(r"(?<!\\)\$")
_EMPHASIS = re.compile(r"^[\s*`]+|[\s*`]+$")
_ENDING = re.compile(r"(?:[\s,;:]|(?<!\.)\.(?!\.)|\\\\)+$")


def plain_unicode(text: str) -> str:
    """Return a text with its Unicode signs written in ASCII and LaTeX.

    Minus signs and dashes become ``-``, ``½`` becomes ``\\frac{1}{2}``, ``10⁵`` becomes ``10^{5}``,
    full-width and other decimal digits become 0 to 9, and invisible characters disappear.
    """
    if text.isascii():
        return text
    text = _ROOT.sub(r"\\sqrt{\1}", text)
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+", lambda m: f"^{{{m.group().translate(_RAISED)}}}", text)
    text = re.sub("[₀₁₂₃₄₅₆₇₈₉]+", lambda m: f"_{{{m.group().translate(_LOWERED)}}}", text)
    return unicodedata.normalize("NFKC", "".join(_sign(each) for each in text))


def _sign(character: str) -> str:
    if character.isascii():
        return character
    known = _CHARACTERS.get(character)
    if known is not None:
        return known
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    parts = unicodedata.normalize("NFKC", character).split("\u2044")
    if len(parts) == 2 and all(part.isdecimal() for part in parts):
        return f"\\frac{{{parts[0]}}}{{{parts[1]}}}"
    return character


def clean(text: str) -> str:
    """Return an answer without what changes no meaning.

    Markdown emphasis and code ticks around it, dollars and other marks of mathematics, spacing and
    sizing, a full stop at its end and braces around all of it go; text commands are all written
    ``\\text{…}`` and disappear where they hold the whole answer.
    """
    text = plain_unicode(text)
    text = _THIN.sub(lambda m: "," if "," in m.group() else "", text)
    text = text.replace("\\!", "").replace("\\,", " ").replace("{,}", ",")
    if len(_DOLLAR.findall(text)) == 1 and re.search(r"(?<!\\)\$\s?-?[\d.]", text):
        text = _DOLLAR.sub(r"\\$", text)
    text = _DELIMITERS.sub(" ", _DOLLAR.sub(" ", text))
    text = text.replace("<=", "\\le ").replace(">=", "\\ge ").replace("!=", "\\ne ")
    text = _COMMAND.sub(_command, text)
    text = _BARE.sub("", _WORDS.sub(r"\\text", text))
    text = _SPACES.sub(" ", text)
    for _ in range(8):
        before = text
        text = _ENDING.sub("", _EMPHASIS.sub("", text)).strip()
        held = wrapped(text)
        if held is not None and held[0] == "{":
            text = held[1]
        elif text.startswith("\\text{"):
            held = wrapped(text[5:])
            text = held[1] if held is not None else text
        if text == before:
            break
    return text


def _command(match: re.Match[str]) -> str:
    return _COMMANDS.get(match.group(1), match.group())


def squeezed(text: str) -> str:
    """Return a cleaned answer without spaces, ``x^{2}`` and ``x^2`` written alike."""
    return re.sub(r"([_^])\{(\w)\}", r"\1\2", re.sub(r"\s+", "", text))
