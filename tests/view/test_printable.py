"""What steers a terminal is written out, and everything else stays as it is."""

import json
import unicodedata

import pytest

from etude.execute.lines import to_line
from etude.printable import in_json, printable, printable_line


@pytest.mark.parametrize(
    "character",
    ["\x00", "\x07", "\x08", "\t", "\x0b", "\r", "\x1b", "\x7f", "\x80", "\x85", "\x9b", "\u2028",
     "\u202e", "\u2066", "\udcff", "\U000e0041"],
)  # fmt: skip
def test_a_character_that_steers_is_written_out(character):
    shown = printable(f"a{character}b")
    assert character not in shown and shown.startswith("a\\") and shown.endswith("b")
    assert shown.isascii()
    line = to_line({"id": f"a{character}b"})
    assert json.loads(line) == {"id": f"a{character}b"}
    assert character == "\udcff" or character.encode() not in line


def test_no_control_or_direction_passes():
    every = (chr(code) for code in range(0x110000) if chr(code) != "\n")
    steers = {"Cc", "Cs", "Zl", "Zp"}
    for character in every:
        if unicodedata.category(character) in steers:
            assert printable(character) != character, hex(ord(character))


def test_other_text_stays():
    text = "né… → ∫ 漢字 😀 \u200f\u05d0 pass@1\nnext line"
    assert printable(text) == text
    assert in_json(json.dumps(text, ensure_ascii=False)) == json.dumps(text, ensure_ascii=False)


def test_one_line_is_one_line():
    assert printable_line("a\nb\r\nc") == "a\\nb\\nc"
