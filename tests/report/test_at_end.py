"""A run ends with its report, and ends as it would have where no report can be written."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from etude.events import EVENTS
from etude.execute.hearing import Hearing
from etude.launch.registry import Submitted, record, write_ended, write_waiting
from etude.report import at_end, writing
from etude.report.at_end import ReportAtEnd, after_job
from etude.view.observers import make_observers
from recorded_runs import Runs


@pytest.fixture
def made(tmp_path: Path) -> Runs:
    found = Runs(tmp_path / "outputs")
    found.lines("s1")
    found.member(["seed=1"], "s1", "e1")
    found.finish()
    return found


def test_the_report_is_written_when_the_run_is_over(made: Runs) -> None:
    said: list[str] = []
    observer = ReportAtEnd(said.append, pytest.fail)
    for event in EVENTS:
        if event != "run_finished":
            getattr(observer, event)(made.graph)
    assert not (made.folder / "report.html").exists()
    observer.run_finished(made.graph)
    assert (made.folder / "report.html").is_file()
    assert len(said) == 1
    assert said[0].startswith(" report   ")
    assert said[0].endswith("report.html")
    observer.run_finished(SimpleNamespace(folder=None))
    assert len(said) == 1


@pytest.mark.parametrize("error", [RuntimeError("boom"), KeyboardInterrupt(), MemoryError()])
def test_whatever_goes_wrong_is_said_and_the_others_hear_of_the_end(
    made: Runs, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(writing, "write", fail)
    warned: list[str] = []
    Hearing([ReportAtEnd(pytest.fail, warned.append)]).run_finished(made.graph)
    assert len(warned) == 1
    assert "etude report" in warned[0]


def test_execution_report_decides() -> None:
    def kinds(report: bool) -> list[type]:
        return [type(each) for each in make_observers({"seed": 1, "execution": {"report": report}})]

    assert ReportAtEnd in kinds(True)
    assert ReportAtEnd not in kinds(False)


def test_on_a_cluster_the_last_job_writes_it(made: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []
    monkeypatch.setattr(at_end, "written", lambda folder, say, warned: written.append(folder))
    monkeypatch.setattr(at_end, "wanted", lambda graph: True)
    after_job(made.folder, pytest.fail)
    assert not written  # no jobs: who started the processes writes it
    record(made.outputs, made.folder, [Submitted("s1", "812", made.folder.name)])
    after_job(made.folder, pytest.fail)
    assert not written  # nothing has ended
    write_ended(made.folder, "s1", {"state": "done", "why": "", "job": "812"})
    write_waiting(made.folder, ["other"])
    after_job(made.folder, pytest.fail)
    assert not written  # something is still to be handed over
    write_waiting(made.folder, [])
    after_job(made.folder, pytest.fail)
    assert written == [made.folder]


def test_a_job_says_why_there_is_no_report_and_ends_as_it_would(made: Runs) -> None:
    record(made.outputs, made.folder, [Submitted("s1", "812", made.folder.name)])
    (made.folder / "plan" / "graph.json").write_text("{")
    said: list[str] = []
    after_job(made.folder, said.append)
    assert len(said) == 1
    assert "no report was written" in said[0]
