"""Engines beside the trainer, with a stub in the place of vLLM: failures, weights, what is left."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

import engine_stub
from etude.engines.asked import Held
from etude.engines.beside import BesideEngine, Kept
from etude.engines.probe import Probe, Seen
from etude.engines.process import ProcessLink, Program
from etude.errors import EngineError, ModelError, StageError
from etude.rows import Request, StopReason

VOCABULARY = 6
END = 5


class Weights:
    """Two vectors that add up to logits, as a policy and its checkpoints."""

    def __init__(self, folder: Path) -> None:
        self.vectors = [[0.1 * n for n in range(VOCABULARY)], [0.0] * VOCABULARY]
        self.folder, self.count = folder, 0

    @property
    def held(self) -> Held:
        return engine_stub.held(self.vectors)

    def write(self, policy: object) -> str:
        self.count += 1
        folder = self.folder / f"v{self.count}"
        folder.mkdir(parents=True)
        (folder / "weights.json").write_text(json.dumps({"logits": self.vectors}))
        self.last = str(folder)
        return self.last

    def drop_others(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def logprobs(self, policy, texts):
        known = engine_stub.log_softmax([a + b for a, b in zip(*self.vectors, strict=True)])
        return [[known[token] for token in text[1:]] for text in texts]


@dataclass(frozen=True)
class Component:
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    device: str = "one"

    def shares_engine_with(self, other):
        return self.device == other.device


POLICY = SimpleNamespace(eos_ids=frozenset({END}), shards=None)


@pytest.fixture
def opened(tmp_path):
    engines = []

    def make(restarts=2, patience=20.0, positions=40, tolerance=None, **options):
        weights = Weights(tmp_path / f"weights{len(engines)}")
        if "fails" in options:
            (tmp_path / "fails").write_text(options["fails"])
            options["fails"] = str(tmp_path / "fails")
        program = Program("engine_stub:Stub", options, b"", {}, 20.0, patience)
        kept = Kept(
            POLICY,
            ProcessLink(program),
            weights,
            Probe("float32", tolerance),
            weights.logprobs,
            vocabulary=VOCABULARY,
            restarts=restarts,
            positions=positions,
        )
        engine = BesideEngine(kept, POLICY, Component(), owner=True, name="vllm")
        engines.append(engine)
        return engine, weights

    yield make
    for engine in engines:
        engine.close()


REQUESTS = [Request(f"p{n}", 0, (1, 2, n % 5), 100 + n, 8) for n in range(12)]


class Told:
    def __init__(self) -> None:
        self.places = []

    def ended(self, found):
        self.places += [place for place, _ in found]

    def meanwhile(self):
        pass


def lives(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def gone(process: int) -> bool:
    deadline = time.monotonic() + 10
    while lives(process) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not lives(process)


def test_rows_end_as_they_should_and_forced_heads_come_back_with_them(opened):
    engine, weights = opened()
    answers = engine.sample(REQUESTS)
    known = weights.logprobs(None, [(0, *range(VOCABULARY))])[0]
    for answer in answers:
        assert answer.logprobs == pytest.approx([known[token] for token in answer.tokens])
        stopped = answer.tokens[-1] == END
        assert answer.stop_reason is (StopReason.STOP if stopped else StopReason.LENGTH)
        assert stopped or len(answer.tokens) == 8
    assert {answer.stop_reason for answer in answers} == {StopReason.STOP, StopReason.LENGTH}
    heads = [
        Request("p", 0, (1, 2), 1, 3, prefix=(3, 4)),
        Request("p", 1, (1, 2), 1, 2, prefix=(3, 4)),
        Request("p", 2, (1, 2), 1, 8, prefix=(3, END)),
    ]
    longer, full, ended = engine.sample(heads)
    assert longer.tokens[:2] == (3, 4) and len(longer.tokens) == 3
    assert longer.logprobs[:2] == pytest.approx([known[3], known[4]])
    assert (full.tokens, full.stop_reason) == ((3, 4), StopReason.LENGTH)
    assert (ended.tokens, ended.stop_reason) == ((3, END), StopReason.STOP)


@pytest.mark.parametrize("how", ["dies", "hangs", "memory", "dies hangs"])
def test_an_engine_that_fails_in_the_middle_is_started_again_and_no_row_counts_twice(
    opened, capfd, how
):
    calm, _ = opened()
    wanted = calm.sample(REQUESTS)
    engine, _ = opened(fails=how, patience=1.0)
    before, told = engine.kept._link.pid, Told()
    assert engine.sample(REQUESTS, watch=told) == wanted
    assert sorted(told.places) == list(range(len(REQUESTS)))
    assert engine.kept.restarted == len(how.split())
    assert gone(before)
    said = {
        "dies": "exited with code 7 when asked to sample; it is started again",
        "hangs": "said nothing for 1 s when asked to sample; it is started again",
        "memory": "MemoryError: no room for 3 GiB when asked to sample; it is started again",
    }
    assert said[how.split()[0]] in capfd.readouterr().err


def test_an_engine_that_fails_too_often_is_told_of_with_what_would_help(opened):
    engine, _ = opened(fails="memory", restarts=0)
    with pytest.raises(EngineError, match=r"no room for 3 GiB(.|\n)*rollout.memory_share=NUMBER"):
        engine.sample(REQUESTS)
    assert engine.kept._link.pid is None
    engine, _ = opened(fails="dies dies dies", restarts=2, behind=2)
    with pytest.raises(EngineError, match=r"last words(.|\n)*restarts=2 allows no further start"):
        engine.sample(REQUESTS)
    with pytest.raises(EngineError, match="no such device when asked to start"):
        opened(no_start=True, restarts=1)


def test_weights_go_over_by_version_and_rows_are_drawn_from_the_new_ones(opened):
    engine, weights = opened()
    engine.sample(REQUESTS)
    weights.vectors = [[3.0, 0.0, 0.0, 0.0, 0.0, -50.0], [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]]
    engine.sync(POLICY)
    assert engine.kept.version == 1
    known = weights.logprobs(None, [(0, *range(VOCABULARY))])[0]
    for answer in engine.sample(REQUESTS):
        assert answer.logprobs == pytest.approx([known[token] for token in answer.tokens])


@pytest.mark.parametrize(
    ("skips", "said"),
    [
        ("sync", "of version 1: token .* has log-prob"),
        ("matrix", "its weights are not those that were written: Σx² is"),
        ("named", "it kept 1 parameters as they were .layers.0.weight."),
        ("cache", "it reads keys and values of other weights from its cache"),
    ],
)
def test_an_engine_that_is_stale_is_caught_by_the_probe(opened, skips, said):
    engine, weights = opened(skips=skips)
    weights.vectors = [[0.3, 0.1, 0.0, 0.2, 0.0, 0.0], [0.0, 0.4, 0.0, 0.0, 0.2, 0.0]]
    with pytest.raises(EngineError, match=said):
        engine.sync(POLICY)


def test_a_step_too_small_for_the_tolerance_is_seen_by_which_weights_are_nearer(opened):
    engine, weights = opened(skips="sync", tolerance=0.5)
    weights.vectors = [[x + 1e-4 * n for n, x in enumerate(each)] for each in weights.vectors]
    with pytest.raises(EngineError, match="its log-probs are those of the weights before"):
        engine.sync(POLICY)


def test_numbers_that_are_none_are_no_agreement():
    probe = Probe("float32", None)
    nan, held = Seen((float("nan"),), -1.0), Held(None, None)
    assert "has log-prob nan there" in probe.fault(nan, Seen((-1.0,), -1.0), held, held)
    assert probe.fault(Seen((-1.0,), -1.0), Seen((-1.0,), -1.0), held, held) is None


def test_what_the_engine_cannot_do_is_refused_before_it_is_asked(opened):
    engine, _ = opened(positions=40)
    with pytest.raises(ModelError, match=r"prompt long has 35 tokens.*more than the 40 tokens"):
        engine.sample([Request("long", 0, (1,) * 35, 1, 8)])
    with pytest.raises(ModelError, match="prompt none has no tokens"):
        engine.sample([Request("none", 0, (), 1, 8)])
    with pytest.raises(StageError, match="logits cannot be combined by rollout=vllm"):
        engine.sample(REQUESTS, logits=object())


def test_others_that_sample_from_the_same_weights_share_the_engine(opened):
    engine, _ = opened()
    other = engine.sampling_as(Component(temperature=0.5, stop_token_ids=(0,)))
    assert other.kept is engine.kept
    assert all(set(answer.tokens[:-1]).isdisjoint({0, END}) for answer in other.sample(REQUESTS))
    other.sync(POLICY)
    assert engine.kept.version == 0  # whoever owns it gives it weights, once
    other.close()
    assert len(engine.sample(REQUESTS)) == len(REQUESTS)
    assert engine.sampling_as(Component(device="two")) is None


def test_an_engine_ends_when_it_is_closed_and_when_its_parent_is_killed(opened, tmp_path):
    engine, weights = opened()
    process = engine.kept._link.pid
    engine.close()
    assert gone(process) and weights.closed
    program = (
        "import sys, time; sys.path[:] = sys.argv[2:]\n"
        "from etude.engines.process import ProcessLink, Program\n"
        "link = ProcessLink(Program('engine_stub:Stub', {}, b'', {}, 20.0, 20.0))\n"
        "link.start(sys.argv[1]); print(link.pid, flush=True); time.sleep(60)"
    )
    arguments = [sys.executable, "-c", program, weights.last, *sys.path]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        assert lives(child)
        os.kill(parent.pid, signal.SIGKILL)
    assert gone(child)
