"""Asking a run to stop: between steps, inside an evaluation, and a second time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
from fake_stage import FakeLearner, chain, config, fake_evaluate, run

from etude.errors import Interrupted, ModelError
from etude.execute import local
from etude.execute.lock import locked
from etude.execute.stop import Stop
from etude.schema import Schema

pytestmark = pytest.mark.slow


def test_a_signal_is_noted_and_the_old_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    stop = Stop()
    with stop.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        wait_for_request(stop)
        assert stop.signal == "SIGTERM"
        with pytest.raises(Interrupted):
            stop.check()
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []).isdisjoint({signal.SIGTERM})


def wait_for_request(stop: Stop) -> None:
    end = time.monotonic() + 5
    while not stop.requested:
        assert time.monotonic() < end, "the signal was not heard"
        time.sleep(0.01)


def test_a_warning_for_a_whole_job_is_heard_and_its_children_live_on() -> None:
    stop = Stop()
    with stop.listening():
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
        for number in (signal.SIGUSR2, signal.SIGTERM):
            os.kill(child.pid, number)
        os.kill(os.getpid(), signal.SIGUSR2)
        wait_for_request(stop)
        assert stop.signal == "SIGUSR2"
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.5)
        child.kill()
        child.wait()


def test_a_second_ctrl_c_aborts_on_the_spot() -> None:
    with Stop().listening():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)


def test_where_nothing_is_lost_a_signal_is_obeyed_at_once() -> None:
    stop = Stop()
    with stop.listening(), pytest.raises(Interrupted), stop.at_once():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)


class Requests:
    """An observer that asks to stop at the first event of a name."""

    def __init__(self, stop: Stop, event: str) -> None:
        self.stop, self.event = stop, event

    def __getattr__(self, event: str) -> Any:
        def hear(*args: Any, **named: Any) -> None:
            if event == self.event:
                self.stop.request()

        return hear


@pytest.mark.parametrize("swallowed", [False, True])
def test_an_evaluation_during_training_is_cut_short_and_made_again(
    tmp_path: Path, swallowed: bool
) -> None:
    stop = Stop()

    class Slow(FakeLearner):
        def evaluate(self, name: str = "main") -> tuple[dict[str, Any], list[dict[str, Any]]]:
            # A verifier or an engine may take what ends it for an error of its own.
            with suppress(Interrupted) if swallowed else nullcontext():
                if not stop.requested:
                    stop.request()
            return super().evaluate()

    stages = [("sft", config("sft", 6, evaluate_every=4, checkpoint_every=0))]
    graph = chain(tmp_path / "parts", *stages)
    code = local.run(graph, [], make_learner=Slow, evaluate=fake_evaluate, stop=stop)
    folder = tmp_path / "parts/stages/sft-fsft1"
    assert code == 130 and (folder / "attempts/1/checkpoints/step_4").is_dir()
    assert (folder / "attempts/1/evaluations.jsonl").read_bytes() == b""
    assert run(chain(tmp_path / "parts", *stages)) == 0
    assert run(chain(tmp_path / "whole", *stages)) == 0
    name = "evaluations.jsonl"
    assert (folder / name).read_bytes() == (tmp_path / "whole/stages/sft-fsft1" / name).read_bytes()


def test_a_stop_between_nodes_ends_the_run_and_its_result_says_so(tmp_path: Path) -> None:
    stop = Stop()
    graph = chain(tmp_path, ("sft", config("sft", 2)), ("rl", config("rl", 2)))
    assert run(graph, [Requests(stop, "stage_finished")], stop=stop) == 130
    result = json.loads((graph.folder / "result.json").read_text())  # type: ignore[operator]
    assert result["state"] == "interrupted"
    assert [stage["state"] for stage in result["runs"][0]["stages"]] == ["done", "waiting"]


def test_a_request_before_the_first_step_is_not_kept_waiting_for_it(tmp_path: Path) -> None:
    stop = Stop()
    graph = chain(tmp_path, ("sft", config("sft", 6)))
    assert run(graph, [Requests(stop, "stage_started")], stop=stop) == 130
    assert (tmp_path / "stages/sft-fsft1/attempts/1/metrics.jsonl").read_bytes() == b""


def test_a_measurement_is_not_published_where_a_request_was_swallowed(tmp_path: Path) -> None:
    stop = Stop()

    def evaluate(*given: Any) -> Any:
        with suppress(Interrupted):
            stop.request()
        return fake_evaluate(*given)

    graph = chain(tmp_path, ("sft", config("sft", 6)))
    assert local.run(graph, [], make_learner=FakeLearner, evaluate=evaluate, stop=stop) == 130
    assert not list(tmp_path.glob("evaluations/*/DONE.json"))


def test_who_waits_for_a_stage_says_so_and_can_be_stopped(tmp_path: Path) -> None:
    stop, said = Stop(), []

    class Says(Requests):
        def warned(self, message: str) -> None:
            said.append(message)
            self.stop.request()

    graph = chain(tmp_path, ("sft", config("sft", 2)))
    with locked(tmp_path, "fsft1", waiting=pytest.fail):
        assert run(graph, [Says(stop, "")], stop=stop) == 130
    assert len(said) == 2 and said[1] == "interrupted (request)"
    assert f"sft (fsft1) is being trained by process {os.getpid()}" in said[0]


def measured(tmp_path: Path, checkpoint: Path | None) -> tuple[int, list[dict[str, Any]]]:
    heard: list[dict[str, Any]] = []

    class Hears(Requests):
        def evaluated(self, node: Any, step: int | None, evaluation: dict[str, Any]) -> None:
            heard.append({"name": node.name, **evaluation})

    asked = {**config("x", 1), "sources": {}, "outputs": str(tmp_path)}
    watch = [Hears(Stop(), "")]
    code = local.run_evaluation(
        asked, checkpoint, watch, evaluate=fake_evaluate, schema=Schema({}, {})
    )
    return code, heard


def test_evaluate_measures_a_stage_or_its_model_once(tmp_path: Path) -> None:
    run(chain(tmp_path, ("sft", config("sft", 2))))
    folder = tmp_path / "stages/sft-fsft1"
    code, first = measured(tmp_path, folder)
    assert code == 0 and first[0]["name"] == "sft"
    assert first[0]["metrics"]["pass@1"]["value"] > 0
    made = sorted((tmp_path / "evaluations").iterdir())
    assert measured(tmp_path, folder / "model") == (0, first)
    assert sorted((tmp_path / "evaluations").iterdir()) == made


def test_evaluate_of_a_folder_without_a_model_says_what_it_wants(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no such folder"):
        measured(tmp_path, tmp_path / "nowhere")
    with pytest.raises(ModelError, match=r"holds a config\.json"):
        measured(tmp_path, tmp_path)
