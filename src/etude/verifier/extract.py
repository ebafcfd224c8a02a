"""Finding the final answer in a response: a box, tags, what a marker announces, or all of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from etude.component import option
from etude.verifier.answers.phrases import listed
from etude.verifier.interface import Verifier

#: Where a final answer may stand.
Place = Literal["box", "tag", "marker", "text"]

_TOKEN = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])[ \t]*\{?|\\[\s\S]|[{}]")
_BARE_BOX = re.compile(r"(\\frac\s*(?:\{[^{}$]*\}|\d)\s*(?:\{[^{}$]*\}|\d)|\\?[^\s{}$]+)")
_TAG = re.compile(r"<answer>((?:(?!<answer>)[\s\S])*?)</answer>", re.IGNORECASE)

#: Between two boxes or statements: what makes them one list of answers.
_JOINING = re.compile(r"[\s$]*(?:,|&|;|,?\s*(?:\\text\s*\{)?\s*(?:and|or)\b\s*\}?)[\s$]*")
_AGAIN = re.compile(
    r"[\s.,;:!*`$]*(?:(?:or|and|so|also|the|my|final|correct|alternatively|maybe|perhaps)[\s,]+)*",
    re.IGNORECASE,
)

#: The most boxes or statements that are read as one list, the most markers that are looked at, and
#: the most characters of a line that a marker announces.
MOST_LISTED, MOST_MARKERS, LONGEST_LINE = 64, 512, 4096

#: Words under a heading that announce a part of the text and no answer.
_SECTIONS = listed(
    "verification check checking explanation solution conclusion summary note notes reasoning "
    "proof steps step analysis answer approach discussion remark remarks"
)

_LEAD = r"[*_`]{0,3}[ \t]*"
#: What announces a final answer: ``####``, ``A:``, ``answer is``, ``answer:``, ``answer =``. No
#: word stands before ``A:`` (``Vitamin A: 8 mg`` announces nothing).
MARKER = re.compile(
    rf"####+|(?<![A-Za-z])(?<![A-Za-z]{{3}}[ \t])(?<![A-Za-z]{{3}}[ \t][ \t])A:"
    rf"|\b(?:final[ \t]+)?answers?\b{_LEAD}"
    rf"(?:[ \t](?:to|of|for)[ \t][^.:\n]{{1,60}}?[ \t])?"
    rf"(?:(?:is|are)\b(?![ \t]+not\b)"
    rf"(?:[ \t]*{_LEAD}(?:therefore|thus|then|simply|just|exactly|now)\b)?[ \t]*:?|:|：|=){_LEAD}",
    re.IGNORECASE,
)
#: A line of its own that announces the next: ``Final Answer``, ``**Answer:**``.
_HEADING = re.compile(
    r"^[ \t#*_>]*(?:the[ \t]+)?(?:final[ \t]+)?answer[ \t]*(?:is)?[ \t]*[:.]?[ \t*_:]*$",
    re.IGNORECASE | re.MULTILINE,
)
_SPACE = re.compile(r"\s*")
_SENTENCE_END = re.compile(r"(?<=[^\s.])[.!?][*_`\"')$]*(?=\s|$)|[!?](?=\s)")


@dataclass(frozen=True)
class Found:
    """The text that holds the final answer, and where it stood.

    ``marked`` says whether something announced it; where nothing did (``text``), it is somewhere in
    the whole response.
    """

    text: str
    marked: bool
    place: Literal["pattern", "box", "tag", "marker", "text"] = "marker"


def boxes(text: str) -> list[tuple[int, int, str]]:
    """Return (start, end, content) of every complete ``\\boxed{…}`` and ``\\fbox{…}``.

    Of boxes in boxes it is the outermost. Braces are matched; ``\\boxed 42`` holds the next word.
    One that is never closed is none. It takes one pass, however many boxes a response opens.
    """
    found: list[tuple[int, int, str]] = []
    first = min((at for at in (text.find("\\boxed"), text.find("\\fbox")) if at >= 0), default=-1)
    if first < 0:
        return found
    stack: list[tuple[int, int] | None] = []
    skip = 0
    for match in _TOKEN.finditer(text, first):
        token = match.group()
        if match.start() < skip:
            continue
        if token == "{":
            stack.append(None)
        elif token == "}":
            opened = stack.pop() if stack else None
            if opened is not None:
                while found and found[-1][0] >= opened[0]:
                    found.pop()
                found.append((opened[0], match.end(), text[opened[1] : match.start()]))
        elif token.startswith(("\\boxed", "\\fbox")):
            if token.endswith("{"):
                stack.append((match.start(), match.end()))
                continue
            bare = _BARE_BOX.match(text, match.end())
            if bare is not None:
                skip = bare.end()
                found.append((match.start(), bare.end(), bare.group(1).rstrip(".,;")))
    return found


def last_box(text: str) -> tuple[int, str] | None:
    """Return (position, content) of the last box that holds something.

    Boxes that only a comma, ``and`` or ``or`` divides are one list. An empty box holds no answer.
    """
    held = [box for box in boxes(text) if _bare(box[2])]
    if not held:
        return None
    begin, _, content = held[-1]
    parts = [content.strip()]
    for start, end, earlier in reversed(held[-MOST_LISTED:-1]):
        if begin - end > 40 or _JOINING.fullmatch(text[end:begin]) is None:
            break
        begin = start
        parts.insert(0, earlier.strip())
    return begin, parts[0] if len(set(parts)) == 1 else ", ".join(parts)


def last_tag(text: str) -> str | None:
    """Return what the last ``<answer>…</answer>`` holds, None where there is none with content."""
    held = [match.group(1).strip() for match in _TAG.finditer(text) if match.group(1).strip()]
    return held[-1] if held else None


def statements(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Yield (start, end, marker, rest) of what markers announce, the last one first.

    The rest is what follows on the marker's line, or the next line behind a heading (``Final
    Answer``); emphasis is off. Markers with nothing behind them are left out.
    """
    found = [(m.start(), m.end(), m.group()) for m in MARKER.finditer(text)]
    found += [(m.start(), m.end(), "\n") for m in _HEADING.finditer(text)]
    for start, end, marker in sorted(found, reverse=True)[:MOST_MARKERS]:
        line_end = _line_end(text, end)
        rest = text[end:line_end]
        if marker == "\n" or (not _bare(rest) and "answer" in marker.casefold()):
            behind = _SPACE.match(text, end)
            begin = end if behind is None else behind.end()
            if text.count("\n", end, begin) > 2:
                continue
            line_end = _line_end(text, begin)
            if _bare(text[begin:line_end]) == "\\[" or text[begin:line_end].strip() == "$$":
                line_end = _line_end(text, line_end + 1)  # a display of several lines
            rest = text[begin:line_end].replace("\n", " ")
        plain = _bare(rest)
        section = marker.startswith("#") and plain.casefold().split(" ")[0] in _SECTIONS
        if plain and not section and MARKER.match(rest.strip(" \t#*_`")) is None:
            yield start, line_end, marker, rest.strip()


def _line_end(text: str, begin: int) -> int:
    end = text.find("\n", begin)
    return min(len(text) if end < 0 else end, begin + LONGEST_LINE)


def _bare(text: str) -> str:
    """Return a text without spaces, emphasis and marks that hold nothing by themselves."""
    return text.strip(" \t\n*_`:$#")


def marked(text: str, holds: Callable[[str], bool]) -> str | None:
    """Return the sentence behind the last marker that is followed by an answer.

    ``holds`` says whether a text holds an answer. Announcements that follow one another with
    nothing between them (``The answer is 4. The answer is 5.``) are alternatives, one list.
    """
    later: int | None = None
    listed: list[str] = []
    for start, _, marker, rest in statements(text):
        stated = sentence(rest)
        if not holds(stated):
            if listed:
                break
            continue
        if marker.startswith("#") or marker in ("A:", "a:", "\n"):
            return listed[0] if listed else stated
        if later is not None:
            after = text.find(stated, start) + len(stated)
            if after > later or _AGAIN.fullmatch(text[after:later]) is None:
                break
        if stated not in listed:
            listed.insert(0, stated)
        if len(listed) >= MOST_LISTED:
            break
        later = start
    return ", ".join(listed) if listed else None


def sentence(text: str) -> str:
    """Return a text up to the end of its first sentence, without emphasis around it."""
    ended = _SENTENCE_END.search(text)
    first = text if ended is None else text[: ended.start()]
    return first.strip().strip("*`").strip()


def answer_part(text: str) -> str:
    """Return a response without its thinking part, ``<think> … </think>``.

    It is what follows the last ``</think>``, and ends where a thought begins that does not end.
    """
    _, mark, rest = text.rpartition("</think>")
    return (rest if mark else text).partition("<think>")[0]


def final_text(
    text: str,
    pattern: re.Pattern[str] | None,
    places: tuple[Place, ...] = ("box", "marker", "text"),
    holds: Callable[[str], bool] | None = None,
) -> Found | None:
    """Return where the final answer stands.

    With a pattern it is the first group of its last match, and nothing without a match. Otherwise
    the first of ``places`` that has one: the last box that is not empty (it outranks any heading or
    phrase behind it), the last ``<answer>`` tag, the sentence behind the last marker for which
    ``holds`` is true (without it, the whole line), or the whole text, unmarked. None when there is
    nothing at all.
    """
    if pattern is not None:
        matches = list(pattern.finditer(text))
        if not matches:
            return None
        last = matches[-1]
        return Found((last.group(1) if pattern.groups else last.group()) or "", True, "pattern")
    for place in places:
        if place == "box" and (box := last_box(text)) is not None:
            return Found(box[1], True, "box")
        if place == "tag" and (tag := last_tag(text)) is not None:
            return Found(tag, True, "tag")
        if place == "marker":
            bare = without_boxes(text)
            rest = _line(bare) if holds is None else marked(bare, holds)
            if rest is not None:
                return Found(rest, True, "marker")
        if place == "text" and text.strip():
            return Found(text, False, "text")
    return None


def _line(text: str) -> str | None:
    return next((rest for _, _, _, rest in statements(text)), None)


def without_boxes(text: str) -> str:
    """Return a text without its boxes: an empty one behind a marker is no answer."""
    kept, begin = [], 0
    for start, end, _ in boxes(text):
        kept.append(text[begin:start])
        begin = end
    return "".join([*kept, text[begin:]])


@dataclass(frozen=True)
class Extracting(Verifier):
    """A verifier that looks for a final answer, and the policy by which it does."""

    pattern: str | None = option(
        None,
        "regex whose group holds the answer (its last match); null: where answer_in says",
        form="regex",
    )
    answer_in: tuple[Place, ...] = option(
        ("box", "tag", "marker", "text"),
        "where the answer may stand; the first of these that has one counts (text: somewhere in "
        "the response, with nothing that announces it)",
    )
    require_box: bool = option(False, "what stands in no \\boxed{} is no answer")
    thinking: bool = option(False, "an answer between <think> and </think> counts, too")

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        return None if self.pattern is None else re.compile(self.pattern)

    def holds(self, text: str) -> bool:
        """Return whether what follows a marker is an answer."""
        return bool(text.strip())

    def extract(self, response: str, holds: Callable[[str], bool] | None = None) -> Found | None:
        """Return the final answer of a response by the policy, None where it has none.

        ``holds`` says in the place of :meth:`holds` what is an answer behind a marker.
        """
        text = response if self.thinking else answer_part(response)
        places: tuple[Place, ...] = ("box",) if self.require_box else self.answer_in
        return final_text(text, self._pattern, places, holds or self.holds)
