"""A report is one file that holds what a run left, asks no host and runs nothing of a sample."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from etude.errors import StorageError
from etude.recorded.outputs import Outputs
from etude.report.command import main
from etude.report.gather import gather
from etude.report.writing import write
from evidence import dump, lines
from recorded_runs import HOSTILE, Runs, rows, steps, sweep


class Page(HTMLParser):
    """What a browser would make of a page: its tags with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.data.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.data))

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def written(outputs: Path, *names: str) -> str:
    known = Outputs(outputs)
    runs = [known.run(name) for name in names] if names else known.runs()
    return write(known, runs).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    outputs = tmp_path_factory.mktemp("sweep") / "outputs"
    sweep(outputs, HOSTILE)
    return written(outputs)


def test_nothing_that_was_said_becomes_part_of_the_page(page: str) -> None:
    found = Page(page)
    assert found.count("script") == found.count("style") == found.count("meta") - 3 == 1
    assert found.count("img") == 0
    for tag, attributes in found.tags:
        assert not [key for key in attributes if key.startswith("on") or key == "style"], tag
    # It is all there to be read, what steers a terminal or a line of text written out.
    assert "<img src=x onerror=" in found.text
    assert "\\x1b[31mred" in found.text
    assert "\\u202eturned\\u202c שלום" in found.text
    assert "{{ 7 * 7 }}{% raw %}" in found.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)


def test_the_page_asks_no_host_and_its_policy_allows_its_own_script_alone(page: str) -> None:
    found = Page(page)
    links = [attributes.get(key) for _, attributes in found.tags for key in ("href", "src")]
    assert all(link.startswith("#") for link in links if link is not None)
    assert "url(" not in page
    (policy,) = (a["content"] or "" for _, a in found.tags if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_a_sweep_is_told_by_member_and_drawn_by_what_differs(page: str) -> None:
    found = Page(page)
    for said in ("objective=grpo seed=1", "objective=dapo seed=2", "2 seeds", "pass@1"):
        assert said in found.text
    keys = [a for tag, a in found.tags if tag == "button" and "data-curve" in a]
    assert len(keys) == 2
    titles = re.findall(r"<figcaption><b>([^<]*)</b>", page)
    assert {"pass@1, held out", "reward/mean", "reward/accuracy/raw", "policy/entropy"} <= {*titles}
    assert {"objective/approx_kl", "curriculum/level", "rollout/length"} <= {*titles}
    assert "own/number" not in titles
    assert "own/number" in found.text  # named, where of one run it would be drawn
    assert {a.get("id") for _, a in found.tags} >= {"axis-tokens", "axis-time", "coverage"}
    assert "lowest seed to the highest" in found.text


def test_what_members_prove_against_each_other_is_said_as_compare_says_it(page: str) -> None:
    text = Page(page).text
    assert "pass@1 on 12 problems, intervals of 95 %; differences from objective=grpo" in text
    assert re.search("objective=dapo (and|is) [^.]*objective=grpo", text)


def test_what_was_run_is_there(page: str) -> None:
    text = Page(page).text
    for said in ("def456", "with changes", "abc123", "torch 2.9", "train -m objective=grpo,dapo"):
        assert said in text
    assert "2 lines, kept in code.diff" in text


def test_samples_can_be_narrowed_and_a_problem_followed(page: str) -> None:
    found = Page(page)
    samples = [a for tag, a in found.tags if tag == "details" and a.get("class") == "sample"]
    assert {a["data-outcome"] for a in samples} == {"correct", "wrong", "no_answer", "timed_out"}
    filters = [a.get("value") for tag, a in found.tags if tag == "button" and "value" in a]
    assert sorted(filters) == ["correct", "no_answer", "timed_out", "wrong"]
    assert "of the answers right before" in found.text
    for where in ("before", "after step 2", "after step 4", "training, step 0", "training, step 5"):
        assert f">{where}<" in page


def test_one_run_is_drawn_with_all_of_its_numbers(tmp_path: Path) -> None:
    made = Runs(tmp_path / "outputs")
    made.lines("s1", samples=[])
    made.member(["seed=1"], "s1", "nowhere")
    made.finish()
    text = written(tmp_path / "outputs")
    assert "own/number" in re.findall(r"<figcaption><b>([^<]*)</b>", text)
    said = Page(text).text
    assert "reward/accuracy" in said
    assert "raw 0.2" in said
    assert "crashed" not in said  # a part that is 0 throughout is not drawn
    assert "Nothing was measured." in said
    assert "Nothing failed." in said


def test_a_run_is_shown_as_far_as_it_has_come(tmp_path: Path) -> None:
    made = Runs(tmp_path / "outputs")
    folder = made.lines("s1")
    made.member(["seed=1"], "s1", "nowhere")
    made.finish()
    (folder / "DONE.json").unlink()
    for name in ("metrics", "samples"):
        (folder / f"{name}.jsonl").unlink()
    first, second = folder / "attempts" / "1", folder / "attempts" / "2"
    dump(first / "attempt.json", {"first_step": 0, "host": "n014"})
    lines(first / "metrics.jsonl", steps(6)[:3])
    dump(first / "FAILED.json", {"error": f"out of memory {HOSTILE}", "step": 3, "traceback": "T"})
    dump(second / "attempt.json", {"first_step": 2, "from": {"step": 2, "attempt": 1}})
    lines(second / "metrics.jsonl", steps(6)[2:4])
    lines(second / "samples.jsonl", rows(4)[4:])
    dump(made.folder / "result.json", {"state": "running", "problems": [f"one {HOSTILE}"]})
    page = written(tmp_path / "outputs")
    text = Page(page).text
    assert "the newest steps may be missing" in text
    assert "rl (s1), attempt 1 at step 3" in text
    assert "out of memory <script>" in text
    assert "one <script>" in text
    assert "attempt 1 from step 0 on n014; attempt 2 from step 2" in text
    assert "4 of 6" in text
    assert "training, step 3" in text
    assert Page(page).count("script") == 1


def test_runs_of_several_commands_are_compared_in_one_report(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    for name, seed in (("2026-01-01-a-aaaa", "1"), ("2026-01-02-b-bbbb", "2")):
        made = Runs(outputs, name)
        made.lines(f"s{seed}")
        made.member([f"seed={seed}", "tracker=none"], f"s{seed}", "nowhere")
        made.finish()
    gathered = gather(Outputs(outputs), Outputs(outputs).runs())
    assert [variant.seeds for variant in gathered.variants] == [2]
    text = Page(written(outputs, "aaaa", "bbbb")).text
    assert "2026-01-01-a-aaaa" in text
    assert (outputs / "report-aaaa-bbbb.html").is_file()


def test_a_run_whose_plan_is_gone_is_reported_without_its_recipe(tmp_path: Path) -> None:
    made = sweep(tmp_path / "outputs")
    (made.folder / "plan" / "graph.json").write_text("{")
    text = Page(written(tmp_path / "outputs")).text
    assert "graph.json" in text
    assert "What was run" not in text


def test_the_command_says_where_the_report_lies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Runs(tmp_path / "outputs")
    made.lines("s1")
    made.member(["seed=1"], "s1", "nowhere")
    made.finish()
    own = tmp_path / "own.html"
    assert main(["77aa", "--outputs", str(tmp_path / "outputs"), "--to", str(own)]) == 0
    assert "own.html" in capsys.readouterr().out
    assert own.read_text().startswith("<!DOCTYPE html>")
    with pytest.raises(StorageError, match="no run under"):
        main(["nothing", "--outputs", str(tmp_path / "outputs")])


def test_without_the_library_that_draws_the_words_say_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Runs(tmp_path / "outputs")
    made.member(["seed=1"], "s1", "nowhere")
    made.finish()
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(StorageError, match="pip install matplotlib"):
        written(tmp_path / "outputs")
