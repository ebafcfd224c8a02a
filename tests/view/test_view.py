"""A person sees a run: in a terminal as a live line, in a log as plain lines, and never a mess."""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from types import SimpleNamespace

import pytest

from etude.errors import Interrupted, StageError
from etude.plan.nodes import EvaluationNode, Graph, Run, RunStage, StageNode
from etude.plan.references import Made
from etude.schema import Schema, built_in
from etude.view.plain import PlainView

SFT, RL = "a" * 16, "b" * 16
NOTHING = Schema({}, {}, learners=built_in().learners)


def a_graph(outputs):
    common = {"execution": {"device": "cpu", "threads": 2, "micro_batch_tokens": 16384}}
    model = {"name": "scratch", "hidden_size": 128, "layers": 4, "heads": 4, "kv_heads": 2}
    model |= {"intermediate_size": 384, "tokenizer": "characters", "tie_embeddings": True}
    sft = {**common, "model": model, "objective": {"name": "sft", "denominator": "global_tokens"}}
    sft["training"] = {"steps": 30, "rows_per_step": 128}
    rl = {**common, "model": model, "objective": {"name": "grpo"}, "verifier": {"name": "number"}}
    rl["training"] = {"steps": 20, "prompts_per_step": 32, "rollouts_per_prompt": 8}
    stages = {
        SFT: StageNode("sft", SFT, "", sft, "supervised"),
        RL: StageNode(
            "rl", RL, "", rl, "policy_gradient", parents=(SFT,), inputs={"start": Made(SFT)}
        ),
    }
    measured = {
        "e0": EvaluationNode("base", "e0", rl),
        "e1": EvaluationNode("sft", "e1", rl, {"model": Made(SFT)}),
        "e2": EvaluationNode("rl", "e2", rl, {"model": Made(RL)}),
    }
    parts = (RunStage("sft", SFT, "e0", "e1"), RunStage("rl", RL, "e1", "e2"))
    run = Run("quickstart", ("optimizer.lr=1e-3",), parts, {"seed": 1, **common})
    order = [*measured.values(), *stages.values()]
    return Graph(stages, measured, order, [run], outputs, outputs / "runs" / "quickstart-4f1c")


def an_evaluation(value):
    interval = {"value": value, "low": value - 0.03, "high": value + 0.03}
    return {"metrics": {"pass@1": interval, "pass@8": {**interval, "value": value + 0.3}}}


def rl_metrics(**changed):
    usual = {
        "reward/mean": 0.61,
        "reward/accuracy/raw": 0.58,
        "reward/accuracy/weighted": 0.58,
        "reward/format/raw": 0.93,
        "reward/format/weighted": 0.093,
        "reward/steps/raw": 7.25,
        "verifier/correct": 0.58,
        "groups/signal": 0.71,
        "rollout/length": 14.1,
        "rollout/truncated": 0.02,
    }
    return {**usual, **changed}


def play(view, outputs, *, clock=None, fail=None):
    """Tell a run of two stages, of which the second may fail."""
    graph = a_graph(outputs)
    before, between, after = graph.evaluations.values()
    view.run_started(graph)
    view.evaluated(before, None, an_evaluation(0.05))
    for node in graph.stages.values():
        folder = outputs / "stages" / node.folder_name
        view.stage_started(node, attempt=1, first_step=0, folder=str(folder / "attempts" / "1"))
        for step in range(node.steps):
            if clock is not None:
                clock.now += 1.0
            metrics = rl_metrics() if node.name == "rl" else {"loss": 0.41}
            view.step_done(node, step, metrics, {"seconds": 1.0, "tokens_per_second": 9800.0})
            if fail is not None and node.name == "rl" and step == 5:
                view.stage_failed(node, step=5, error=fail)
                view.run_finished(graph)
                return
        view.checkpoint_written(node, node.steps, "somewhere")
        view.stage_finished(node, seconds=48.0, folder=str(folder))
        measured, value = (between, 0.55) if node.name == "sft" else (after, 0.69)
        view.evaluated(measured, None, an_evaluation(value))
    view.run_finished(graph)


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def plain(tmp_path, **options):
    out, clock = io.StringIO(), Clock()
    view = PlainView(out, NOTHING, clock=clock, **options)
    return view, out, clock


def test_the_start_says_the_arithmetic(tmp_path):
    view, out, _ = plain(tmp_path)
    view.run_started(a_graph(tmp_path))
    text = out.getvalue()
    assert "quickstart · seed 1 · cpu, 2 threads" in text
    assert "20 steps × 32 prompts × 8 rollouts = 256 rows → 1 update of 256 rows" in text
    assert "Σ over trained tokens ÷ their number" in text
    assert "← sft" in text and "scratch (0.8M)" in text


def test_plain_lines_come_each_tenth_and_each_ten_seconds(tmp_path):
    view, out, clock = plain(tmp_path)
    play(view, tmp_path, clock=clock)
    sft = [line.split()[1] for line in out.getvalue().splitlines() if line.startswith(" sft ")]
    steps = [int(word.split("/")[0]) for word in sft if word.endswith("/30")]
    assert steps == [1, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30]
    view, out, clock = plain(tmp_path)
    node = StageNode("long", SFT, "", {"training": {"steps": 1000}}, "supervised")
    view.stage_started(node, attempt=1, first_step=0, folder="x")
    for step in range(40):
        clock.now += 1.0
        view.step_done(node, step, {"loss": 1.0}, {})
    assert re.findall(r"long (\d+)/1000", out.getvalue()) == ["1", "11", "21", "31"]


def test_spacing_of_timed_lines_follows_log_every(tmp_path):
    view, out, clock = plain(tmp_path, every=25)
    node = StageNode("long", SFT, "", {"training": {"steps": 1000}}, "supervised")
    view.stage_started(node, attempt=1, first_step=0, folder="x")
    for step in range(60):
        clock.now += 1.0
        view.step_done(node, step, {"loss": 1.0}, {})
    assert re.findall(r"long (\d+)/1000", out.getvalue()) == ["1", "25", "50"]


def test_the_end_says_before_and_after_places_and_what_to_run_next(tmp_path):
    view, out, clock = plain(tmp_path)
    play(view, tmp_path, clock=clock)
    end = out.getvalue().partition("pass@1 before")[2]
    rows = {line.split()[0]: line for line in end.splitlines() if line.strip()}
    assert "0.05 [0.02, 0.08]   0.55 [0.52, 0.58]   0.85" in rows["sft"]
    assert "0.55 [0.52, 0.58]   0.69 [0.66, 0.72]   0.99" in rows["rl"]
    assert rows["rl"].endswith("0:00:48")
    assert f"rl-{RL}/model" in rows["model"]
    assert f"sft-{SFT}/model" not in end  # it was handed on inside the run
    assert "train -m optimizer.lr=1e-3 objective=grpo,rloo seed=1,2,3" in end


def test_figures_are_means_with_pace_and_time_left(tmp_path):
    view, out, clock = plain(tmp_path)
    play(view, tmp_path, clock=clock)
    (line,) = [line for line in out.getvalue().splitlines() if line.startswith(" rl 10/20")]
    for figure in ("reward 0.61", "pass 58%", "signal 71%", "length 14.1", "9.8k tok/s"):
        assert figure in line
    assert line.endswith("left 0:00:10")
    assert "format 0.93" in line and "accuracy" not in line  # accuracy repeats the pass rate
    assert "steps" not in line  # a part without a weight is no reward


def test_a_failure_is_said_and_the_table_still_comes(tmp_path):
    view, out, clock = plain(tmp_path)
    play(view, tmp_path, clock=clock, fail=ValueError("row 7 is empty\nmore"))
    text = out.getvalue()
    assert " rl FAILED at step 5: ValueError: row 7 is empty\n   more\n" in text
    assert " failed   rl\n" in text
    assert "\n next     etude resume 4f1c" in text


def test_a_failure_is_told_once_and_the_end_says_how_it_goes_on(tmp_path):
    view, out, clock = plain(tmp_path)
    head = "stage rl (3c1e9be2), attempt 2, failed at step 5: no memory\nnor disk"
    goes_on = "he same command goes on from step 4; the log is x"
    play(view, tmp_path, clock=clock, fail=StageError(f"{head}\nT{goes_on}"))
    text = out.getvalue()
    assert " rl FAILED at step 5: no memory\n   nor disk\n" in text
    assert f" failed   rl; t{goes_on}\n" in text
    for told in ("no memory", "nor disk", goes_on):
        assert text.count(told) == 1


def test_an_evaluation_that_fails_is_a_failure_and_no_warning(tmp_path):
    view, out, _ = plain(tmp_path)
    graph = a_graph(tmp_path)
    view.run_started(graph)
    view.evaluated(graph.evaluations["e0"], None, an_evaluation(0.05))
    view.evaluation_failed(graph.evaluations["e1"], error="the evaluation of sft failed: no judge")
    view.run_finished(graph)
    text = out.getvalue()
    assert " FAILED: the evaluation of sft failed: no judge\n" in text
    assert "warning" not in text and text.count("no judge") == 1
    row = next(line for line in text.splitlines() if line.startswith(" sft  "))
    assert row.split()[1:] == ["0.05", "[0.02,", "0.08]", "failed", "–", "waiting"], row
    assert f" failed   evaluation of sft; the traceback is in {tmp_path}" in text
    assert "mend the cause" in text


def test_an_interruption_is_no_failure(tmp_path):
    view, out, clock = plain(tmp_path)
    play(view, tmp_path, clock=clock, fail=Interrupted("stopped"))
    assert "rl interrupted at step 5" in out.getvalue()
    assert "FAILED" not in out.getvalue()
    last = out.getvalue().splitlines()[-1]
    assert last.startswith(" next     etude resume 4f1c")


def test_skipped_stages_say_what_they_saved(tmp_path):
    view, out, _ = plain(tmp_path)
    graph = a_graph(tmp_path)
    view.run_started(graph)
    for node in graph.stages.values():
        view.stage_skipped(node, seconds_saved=48.0)
    view.run_finished(graph)
    assert "sft done (aaaaaaaa, 0:00:48 saved)" in out.getvalue()
    assert "done before (0:00:48 saved)" in out.getvalue()
    assert "nothing was left to do" in out.getvalue()


def test_a_run_of_evaluations_ends_with_all_metrics(tmp_path):
    view, out, _ = plain(tmp_path)
    graph = a_graph(tmp_path)
    graph.stages.clear()
    graph.runs[0] = Run("evaluate", (), (), {})
    view.run_started(graph)
    outcomes = {"correct": 1200, "partial": 3, "wrong": 0, "timed_out": 2}
    counted = {"outcomes": outcomes, "partial_share": 0.5}
    view.evaluated(graph.evaluations["e2"], None, {"name": "rl", **an_evaluation(0.5), **counted})
    view.run_finished(graph)
    lines = out.getvalue().splitlines()
    assert "   pass@1  0.50 [0.47, 0.53]" in lines
    assert "   answers: 1,200 correct, 3 partial (of which 50% is right), 2 timed out" in lines


PROGRAM = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from etude import schema
import test_view
schema.load = lambda: test_view.NOTHING
from etude.view.observers import make_view
view = make_view(sys.stdout, {{"execution": {{"log_every": 1}}}})
test_view.play(view, Path({outputs!r}), fail={fail})
"""


def program(tmp_path, fail="None"):
    return PROGRAM.format(tests=str(Path(__file__).parent), outputs=str(tmp_path), fail=fail)


def environment(**changed):
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS")}
    source = str(Path(__file__).parents[2] / "src")
    return {**kept, "PYTHONPATH": source, "TERM": "xterm-256color", **changed}


def in_a_terminal(tmp_path, columns, fail="None", **changed):
    """Run the program on a pseudo-terminal and return all it wrote."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    child = subprocess.Popen(
        [sys.executable, "-c", program(tmp_path, fail)],
        stdin=side,
        stdout=side,
        stderr=side,
        env=environment(**changed),
        close_fds=True,
    )
    os.close(side)
    written = b""
    while True:
        try:
            piece = os.read(main, 65536)
        except OSError:  # Linux says so when the last writer has gone
            break
        if not piece:
            break
        written += piece
    os.close(main)
    assert child.wait(30) == 0, written.decode()
    return written.decode()


def screen(written):
    """Return what a terminal shows in the end, for the few control codes a live line uses."""
    rows, row, column = [[]], 0, 0
    for code, command, character in re.findall(r"\x1b\[([0-9;?]*)([A-Za-z])|([^\x1b])", written):
        if character == "\r":
            column = 0
        elif character == "\n":
            row += 1
        elif character:
            line = rows[row]
            line.extend(" " * (column + 1 - len(line)))
            line[column] = character
            column += 1
        elif command == "A":
            row -= int(code or 1)
        elif command == "K":
            rows[row] = []
        while len(rows) <= row:
            rows.append([])
    return ["".join(line).rstrip() for line in rows]


@pytest.mark.parametrize("columns", [120, 60])
def test_a_terminal_shows_a_live_line_and_ends_clean(tmp_path, columns):
    written = in_a_terminal(tmp_path, columns)
    lines = screen(written)
    assert "━━━━" in written and "\x1b[?25l" in written
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h")  # the cursor is back
    bars = [line for line in lines if "━" in line]
    assert [line.split()[0] for line in bars] == ["sft", "rl"]
    assert "30/30" in bars[0] and "20/20" in bars[1]
    text = "\n".join(lines)
    for shown in ("reward 0.61", "loss 0.41", "0.69", "0:00:48", "next", "objective=dapo"):
        assert shown in text
    untouchable = (str(tmp_path), "train -m", "runs/")  # a path or a command is never broken
    for line in lines:
        assert len(line) <= columns or any(word in line for word in untouchable), line


def test_a_failure_leaves_the_terminal_usable(tmp_path):
    written = in_a_terminal(tmp_path, 100, fail="ValueError('row 7 is empty')")
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h")
    assert "rl FAILED at step 5: ValueError: row 7 is empty" in "\n".join(screen(written))


def test_no_color_is_honoured(tmp_path):
    coloured = re.compile(r"\x1b\[[0-9;]*(3[0-7]|9[0-7]|38;)[0-9;]*m")
    assert coloured.search(in_a_terminal(tmp_path, 100))
    assert not coloured.search(in_a_terminal(tmp_path, 100, NO_COLOR="1"))


def test_a_dumb_terminal_gets_plain_lines(tmp_path):
    assert "\x1b" not in in_a_terminal(tmp_path, 80, TERM="dumb")


def test_a_pipe_gets_plain_lines_without_control_codes(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", program(tmp_path)],
        env=environment(PYTHONIOENCODING="ascii"),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert b"\x1b" not in done.stdout and b"\r" not in done.stdout
    assert b" rl 20/20  reward 0.61" in done.stdout
    assert done.stderr == b""


def test_a_reader_that_leaves_ends_no_run(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", program(tmp_path) + "\nprint('trained', file=sys.stderr)"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    child.stdout.close()
    assert child.stderr.read() == b"trained\n"
    assert child.wait(60) == 0


def test_views_import_nothing_heavy(tmp_path):
    check = "\nheavy = {'torch', 'transformers', 'wandb', 'rich.live'} & set(sys.modules)"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            program(tmp_path) + check + "\nsys.exit(str(heavy) if heavy else 0)",
        ],
        env=environment(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_a_tracker_is_made_with_the_view_which_says_where_it_is(monkeypatch, tmp_path, capsys):
    from etude import schema
    from etude.tracker.several import Several
    from etude.view import make_observers

    monkeypatch.setattr(schema, "load", lambda: NOTHING)
    followed = SimpleNamespace(where=lambda: "W&B      over there")
    tracker = SimpleNamespace(observer=lambda root, warn: followed if root["seed"] else None)
    monkeypatch.setattr("etude.tracker.follow.build", lambda node, group: tracker)
    assert len(make_observers({"seed": 1})) == 2
    view, _, observer = make_observers({"seed": 1, "tracker": {"name": "any"}})
    assert observer.following is followed
    view.run_finished(a_graph(tmp_path))
    assert "\n W&B      over there\n" in capsys.readouterr().out
    both = Several({"wandb": tracker, "second": tracker})
    monkeypatch.setattr("etude.tracker.follow.build", lambda node, group: both)
    view, _, *observers = make_observers({"seed": 1, "tracker": {"name": "several"}})
    assert [each.name for each in observers] == ["wandb", "second"]
    view.run_finished(a_graph(tmp_path))
    assert "\n W&B      over there\n W&B      over there\n" in capsys.readouterr().out
    monkeypatch.setattr("etude.tracker.follow.build", lambda node, group: tracker)
    assert len(make_observers({"seed": 0, "tracker": {"name": "any"}})) == 2


def test_the_log_of_an_attempt_holds_what_its_stage_showed(tmp_path):
    from etude.view.log import AttemptLog

    _, _, clock = plain(tmp_path)
    log = AttemptLog(NOTHING)
    log.clock = clock
    for node in a_graph(tmp_path).stages.values():
        (tmp_path / "stages" / node.folder_name / "attempts" / "1").mkdir(parents=True)
    play(log, tmp_path, clock=clock)
    written = [path.read_text() for path in tmp_path.rglob("log")]
    assert any(" rl 1/" in text and " rl finished in " in text for text in written), written
    assert not any("next " in text for text in written)


def test_what_to_type_next_keeps_the_seed_and_leaves_long_commands_out():
    from etude.view.ending import _variations

    short = ("seed=7", "objective=rloo", "rollout.stop=['a b']")
    learner = built_in().learner("policy_gradient")
    one, sweep = _variations(learner, short)
    assert one == "train seed=7 rollout.stop=\"['a b']\" objective=dapo"
    assert sweep == "train -m seed=7 rollout.stop=\"['a b']\" objective=grpo,rloo"
    assert "seed=1,2,3" in _variations(learner, ())[1]
    assert _variations(learner, tuple(f"training.steps={n}" for n in range(9))) == []
