"""The recipe's graph as SVG: columns of boxes, and arrows from what is made to what reads it."""

from __future__ import annotations

from collections.abc import Sequence

from etude.report.recipe import Arrow, Box

_WIDTH, _GAP, _LINE, _PAD, _BETWEEN = 176.0, 64.0, 15.0, 9.0, 16.0
#: Characters of a line that fit into a box.
_CHARACTERS = 27


def draw(boxes: Sequence[Box], arrows: Sequence[Arrow]) -> str:
    """Return the SVG of a graph; everything in it that anyone wrote is escaped."""
    from markupsafe import escape

    columns: dict[int, list[Box]] = {}
    for box in boxes:
        columns.setdefault(box.column, []).append(box)
    tall = max((sum(map(_height, each)) + _BETWEEN * (len(each) - 1)) for each in columns.values())
    places: dict[str, tuple[float, float, float]] = {}
    parts: list[str] = []
    for column, each in sorted(columns.items()):
        y = (tall - sum(map(_height, each)) - _BETWEEN * (len(each) - 1)) / 2 + 1
        for box in each:
            x = column * (_WIDTH + _GAP) + 1
            places[box.name.rpartition(" × ")[0] or box.name] = places[box.name] = (
                x,
                y,
                _height(box),
            )
            kind = "stage" if box.is_stage else "given"
            parts.append(
                f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{_WIDTH:g}" '
                f'height="{_height(box):g}" rx="6"/>'
            )
            for number, line in enumerate((box.name, *box.lines)):
                role = "name" if number == 0 else "more"
                parts.append(
                    f'<text class="{role}" x="{x + _PAD:g}" '
                    f'y="{y + _PAD + 11 + _LINE * number:g}">{escape(_cut(line))}</text>'
                )
            y += _height(box) + _BETWEEN
    # Of several arrows between the same boxes the labels are put together.
    labels: dict[tuple[str, str], list[str]] = {}
    for arrow in arrows:
        labels.setdefault((arrow.start, arrow.end), []).append(arrow.label)
    for (start, end), said in labels.items():
        parts.append(_arrow(places[start], places[end], ", ".join(filter(None, said))))
    width = (max(columns) + 1) * (_WIDTH + _GAP) - _GAP + 2
    says = "; ".join(f"{start} to {end}" for start, end in labels)
    return (
        f'<svg class="graph" role="img" aria-label="{escape(says)}" width="{width:g}" '
        f'height="{tall + 2:g}" viewBox="0 0 {width:g} {tall + 2:g}">{"".join(parts)}</svg>'
    )


def _height(box: Box) -> float:
    return 2 * _PAD + _LINE * (1 + len(box.lines)) - 2


def _arrow(start: tuple[float, float, float], end: tuple[float, float, float], label: str) -> str:
    from markupsafe import escape

    x, y = start[0] + _WIDTH, start[1] + start[2] / 2
    to_x, to_y = end[0], end[1] + end[2] / 2
    bend = (to_x - x) / 2
    line = (
        f'<path class="arrow" d="M{x:.1f} {y:.1f}C{x + bend:.1f} {y:.1f} {to_x - bend:.1f} '
        f'{to_y:.1f} {to_x - 5:.1f} {to_y:.1f}"/>'
        f'<path class="head" d="M{to_x - 1:.1f} {to_y:.1f}l-7 -4v8z"/>'
    )
    if not label:
        return line
    middle_x, middle_y = to_x - _GAP / 2, (y + to_y) / 2 - 5
    if to_x - x > _GAP:  # a long arrow passes other boxes: its label stands at its end
        middle_y = to_y - 5
    return (
        line + f'<text class="label" x="{middle_x:.1f}" y="{middle_y:.1f}">{escape(label)}</text>'
    )


def _cut(text: str) -> str:
    return text if len(text) <= _CHARACTERS else text[: _CHARACTERS - 1] + "…"
