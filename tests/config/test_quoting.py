"""What is printed to be typed means the same once bash has split it into words."""

from __future__ import annotations

import subprocess

import pytest

from etude.config.given import Given, parse
from etude.config.hydra_private import Composer
from etude.config.installation import installed
from etude.config.quoting import as_text, command, pasted
from etude.errors import Fault

TEXTS = [
    "plain", "two words", "a,b", "[x]", "{a: 1}", "${oc.env:HOME}", "it's", 'say "so"',
    'both \' and "', "back\\slash", "ends in \\", 'a\\"b', "new\nline", "tab\there", "$HOME",
    "`id`", "!!", "*", "a?b", "#x", "~/models", "(x)", "a;b", "a&b", "a|b", "<stage>", "=x",
    "é ü", " x ", "null", "1e3", "", "grро", "\x1b[31m", "a=b", "x:y", "%", "-m",
]  # fmt: skip


def words_of(line: str) -> list[str]:
    """Return the words that bash makes of a line; nothing is expanded by what the folder holds."""
    script = 'printf "%s\\0" ' + line
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    return done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]


@pytest.mark.parametrize("text", TEXTS)
def test_a_word_survives_bash(text: str) -> None:
    words = ["train", f"a.b={text}", f"+c={text}", text or "x", "-m"]
    assert words_of(command(words)) == words


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_survives_bash_and_hydra(text: str) -> None:
    installation = installed()
    [word] = words_of(as_text("name", text))
    given = parse(word, Composer(installation), installation)
    assert isinstance(given, Given)
    assert isinstance(given.value, str)
    assert given.value.replace("\\${", "${") == text


def test_what_bash_leaves_alone_is_not_quoted() -> None:
    for word in ("seed=1,2,3", "objective/advantage=rloo", "a=b…"):
        assert pasted(word) == word
    assert pasted("pipeline=[rl]") == "pipeline='[rl]'"
    assert "\n" not in pasted('rollout.stop=["a\nb"]')


def test_a_hint_shows_the_exact_line() -> None:
    installation = installed()
    for typed in ("name=a(b", "name=é ü", "rollout.stop=[a(b,c]", "model.path={x}(y"):
        fault = parse(typed, Composer(installation), installation)
        assert isinstance(fault, Fault)
        line = fault.message.rpartition("needs quotes: ")[2]
        [word] = words_of(line)
        assert isinstance(parse(word, Composer(installation), installation), Given), line
