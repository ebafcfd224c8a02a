"""Charts take their colours from the page and bring no style, no id and no script with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

import numpy as np
import pytest

from etude.report.charts import Line, Sheet, shown

X = np.arange(1.0, 51.0)


@pytest.fixture(scope="module")
def sheet() -> Iterator[Sheet]:
    with Sheet() as made:
        yield made


def test_a_chart_is_whole_and_the_page_decides_its_looks(sheet: Sheet) -> None:
    picture = sheet.draw([Line(X, np.sin(X), 2, np.sin(X) - 1, np.sin(X) + 1)], label="x")
    ElementTree.fromstring(picture)
    assert "style" not in picture
    assert " id=" not in picture
    assert "url(" not in picture
    assert set(re.findall(r"#[0-9a-f]{6}|rgb", picture)) == set()
    assert picture.count('class="c2"') == 2  # the band and the line
    assert 'opacity="0.16"' in picture
    assert "var(--c2)" in picture


def test_what_a_label_says_stays_a_label(sheet: Sheet) -> None:
    picture = sheet.draw([Line(X, X)], label='"><script>alert(1)</script>')
    assert "<script" not in picture
    assert ElementTree.fromstring(picture).get("aria-label") == '"><script>alert(1)</script>'


def test_axes_say_their_numbers_whole(sheet: Sheet) -> None:
    texts = _texts(sheet.draw([Line(X, 3 * X / 1000)], label="x"))
    assert {"0", "0.04", "0.08", "0.12"} <= set(texts)


def test_a_chart_forgets_the_one_before(sheet: Sheet) -> None:
    first = sheet.draw([Line(X, X, n) for n in range(3)], label="x")
    second = sheet.draw([Line(X, X)], label="x")
    assert 'class="c1"' in first
    assert 'class="c1"' not in second
    again = sheet.draw([Line(X, X)], label="x")
    assert again == second


def test_points_that_are_few_are_marked_without_meeting_marks_of_other_charts(
    sheet: Sheet,
) -> None:
    pictures = [sheet.draw([Line(X[:3], X[:3], dots=True)], label="x") for _ in range(2)]
    marks = [re.findall(r' id="([^"]+)"', picture) for picture in pictures]
    assert all(len(each) == 1 for each in marks)
    assert marks[0] != marks[1]
    for picture, (mark,) in zip(pictures, marks, strict=True):
        assert picture.count(f'href="#{mark}"') == 3


def test_time_is_shown_in_a_unit_that_reads(sheet: Sheet) -> None:
    hours = _texts(sheet.draw([Line(X * 600, X)], label="x", axis="time"))
    assert "5 h" in hours
    minutes = _texts(sheet.draw([Line(X * 20, X)], label="x", axis="time"))
    assert "5 min" in minutes


def test_a_curve_of_one_value_stands_above_zero(sheet: Sheet) -> None:
    assert "0" in _texts(sheet.draw([Line(X, np.full(50, 0.001))], label="x"))


def test_settings_of_matplotlib_are_left_as_they_were() -> None:
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "path"}):
        with Sheet() as made:
            made.draw([Line(X, X)], label="x")
        assert matplotlib.rcParams["svg.fonttype"] == "path"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.25, "0.25"),
        (-0.5, "−0.5"),
        (1e-5, "1e−05"),
        (4489.0, "4,489"),
        (131_000.0, "131k"),
        (0, "0"),
    ],
)
def test_numbers_read_as_a_person_writes_them(value: float, text: str) -> None:
    assert shown(value) == text


def _texts(picture: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", picture)
