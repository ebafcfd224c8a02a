"""What goes to W&B is read back from the offline files it writes."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest

from etude.errors import ConfigError
from etude.plan.nodes import EvaluationNode, Graph, Run, RunStage, StageNode
from etude.plan.references import Made
from etude.tracker.none import NoTracker
from etude.tracker.samples import read_samples
from etude.tracker.wandb import Wandb
from wandb_files import config, history, records, run_record

pytestmark = pytest.mark.slow

SECRET = "0123456789abcdef0123456789abcdef01234567"
STAGE, NEXT = "a" * 16, "b" * 16


def a_graph(outputs):
    settings = {"model": {"name": "scratch"}, "training": {"steps": 3}, "optimizer": {"lr": 0.002}}
    settings |= {"objective": {"name": "plain"}, "seed": 7}
    stage = StageNode("sft", STAGE, "line", settings, "supervised")
    following = StageNode(
        "rl", NEXT, "line", settings, "policy_gradient", inputs={"start": Made(STAGE)}
    )
    before = EvaluationNode("base", "e0", settings)
    after = EvaluationNode("sft", "e1", settings, {"model": Made(STAGE)})
    run = Run("quickstart", (), (RunStage("sft", STAGE, "e0", "e1"),), {"seed": 1})
    return Graph(
        {STAGE: stage, NEXT: following},
        {"e0": before, "e1": after},
        [before, stage, after, following],
        [run],
        outputs,
        outputs / "runs" / "2026-01-31-quickstart-4f1c",
    )


def an_evaluation(value):
    return {
        "metrics": {"pass@1": {"value": value, "low": value - 0.1, "high": value + 0.1}},
        "outcomes": {"correct": 3, "timed_out": 1},
    }


def tell(observer, graph):
    """Tell a run of one finished stage and the beginning of the next."""
    stage, following = graph.stages.values()
    before, after = graph.evaluations.values()
    folder = graph.outputs / "stages" / stage.folder_name
    folder.mkdir(parents=True, exist_ok=True)
    samples = [{"step": 0, "prompt": f"{n} + 1", "reward": n, "parts": {"a": 1}} for n in range(5)]
    text = "".join(json.dumps(sample) + "\n" for sample in samples) + '{"step": 1, "pro'
    (folder / "samples.jsonl").write_text(text)
    observer.run_started(graph)
    observer.evaluated(before, None, an_evaluation(0.2))
    observer.stage_started(stage, attempt=2, first_step=0, folder=str(folder / "attempts/2"))
    for step in range(3):
        observer.step_done(stage, step, {"loss": 3.0 - step}, {"seconds": 0.5})
    observer.checkpoint_written(stage, 3, "somewhere")
    observer.stage_finished(stage, seconds=1.5, folder=str(folder))
    observer.evaluated(after, None, an_evaluation(0.6))
    observer.stage_started(following, attempt=1, first_step=0, folder=str(folder))
    observer.stage_failed(following, step=0, error=RuntimeError("broken"))
    observer.run_finished(graph)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Tell W&B a run in another process, logged in and offline by choice; return its files."""
    place = tmp_path_factory.mktemp("wandb")
    program = f"""
        import sys; sys.path[:0] = {[str(Path(__file__).parents[n]) for n in (0, 1)]!r}
        from pathlib import Path
        import test_wandb_offline as told
        warnings = []
        tracker = told.Wandb(tags=["first"], samples=4)
        root = {{"name": "quickstart"}}
        observer = tracker.observer(root, warnings.append)
        assert observer.where() == ""
        told.tell(observer, told.a_graph(Path("out").absolute()))
        assert observer.where() == "W&B      offline; wandb sync out/wandb/offline-run-*"
        assert not warnings, warnings
    """
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
        "HOME": str(place / "home"),
        "WANDB_API_KEY": SECRET,
        "WANDB_MODE": "offline",
    }
    (place / "here").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=place / "here",
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return place / "here", done.stdout + done.stderr


def the_file(told, fingerprint):
    folder, _ = told
    (path,) = folder.glob(f"out/wandb/offline-run-*-{fingerprint}/run-{fingerprint}.wandb")
    return path


def test_every_step_is_logged_with_its_number(told):
    steps = [row for row in history(the_file(told, STAGE)) if "loss" in row]
    assert [(row["step"], row["loss"]) for row in steps] == [(0, 3.0), (1, 2.0), (2, 1.0)]
    assert all(row["timing/seconds"] == 0.5 for row in steps)


def test_metrics_are_drawn_over_the_step_field(told):
    metrics = [r.metric for r in records(the_file(told, STAGE)) if r.HasField("metric")]
    assert any(m.glob_name == "*" and m.step_metric == "step" for m in metrics)
    # What would only fill the page has no panels: the counter itself, and the ends of intervals.
    hidden = {m.name for m in metrics if m.options.hidden}
    assert hidden == {"step", "evaluation/pass@1/low", "evaluation/pass@1/high"}


def test_what_people_look_at_is_logged_for_the_first_page(told):
    steps = [row for row in history(the_file(told, STAGE)) if "loss" in row]
    assert [row["at_a_glance/1_loss"] for row in steps] == [3.0, 2.0, 1.0]


def test_config_says_what_ran_and_on_which_code(told):
    logged = config(the_file(told, STAGE))
    assert logged["optimizer"] == {"lr": 0.002}
    assert logged["fingerprint"] == STAGE
    assert logged["learner"] == "supervised"
    assert "version" in logged["code"]["etude"] and "torch" in logged["code"]["packages"]


def test_run_is_named_grouped_and_tagged(told):
    run = run_record(the_file(told, STAGE))
    assert (run.run_id, run.run_group) == (STAGE, "2026-01-31-quickstart-4f1c")
    assert (run.project, run.job_type) == ("etude", "supervised")
    assert run.display_name == "quickstart sft seed=7"
    assert list(run.tags) == ["first", "quickstart", "plain", "sft", "scratch"]


def test_samples_are_a_table_without_the_torn_line(told):
    path = the_file(told, STAGE)
    (logged,) = [row for row in history(path) if "samples/path" in row]
    assert logged["samples/_type"] == "table-file"
    table = json.loads((path.parent / "files" / logged["samples/path"]).read_text())
    assert table["columns"] == ["step", "prompt", "reward", "parts"]
    assert [row[2] for row in table["data"]] == [1.0, 2.0, 3.0, 4.0]
    assert table["data"][0][3] == '{"a": 1}'


def test_evaluations_stand_at_the_steps_they_belong_to(told):
    def measured(fingerprint):
        rows = history(the_file(told, fingerprint))
        return [
            (row["step"], row["evaluation/pass@1"]) for row in rows if "evaluation/pass@1" in row
        ]

    assert measured(STAGE) == [(0, 0.2), (3, 0.6)]
    assert measured(NEXT) == [(0, 0.6)]


def test_failed_stage_ends_with_an_exit_code(told):
    exits = [r.exit.exit_code for r in records(the_file(told, NEXT)) if r.HasField("exit")]
    assert exits == [1]


def test_nothing_is_printed_and_nothing_lies_outside_the_outputs_folder(told):
    folder, printed = told
    assert printed == ""
    assert [path.name for path in folder.iterdir()] == ["out"]
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["stages", "wandb"]


def test_no_key_is_written(told):
    folder, _ = told
    for path in folder.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


def test_auto_is_offline_unless_logged_in(monkeypatch, tmp_path):
    from etude.tracker.login import logged_in, mode_here

    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_DISABLED", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    assert mode_here() == "offline"
    (tmp_path / "netrc").write_text(f"machine api.wandb.ai login user password {SECRET}\n")
    assert mode_here() == "online"
    assert SECRET not in str(logged_in())
    (tmp_path / "settings").write_text("[default]\nbase_url = https://wandb.example.org\n")
    assert mode_here() == "offline"
    monkeypatch.setenv("WANDB_API_KEY", SECRET)
    assert mode_here() == "online" and logged_in() == "WANDB_API_KEY"
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert mode_here() == "offline"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert mode_here() == "off"


def test_off_follows_nothing(tmp_path):
    warnings = []
    assert Wandb(mode="off").observer({}, warnings.append) is None
    assert NoTracker().observer({}, warnings.append) is None
    assert warnings == []


def test_missing_package_is_an_error_only_when_asked_for(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("WANDB_MODE", "offline")
    warnings = []
    assert Wandb(mode="auto").observer({}, warnings.append) is None
    assert "not installed" in warnings[0]
    with pytest.raises(ConfigError, match="pip install wandb"):
        Wandb(mode="offline").observer({}, warnings.append)


def test_unreachable_server_means_offline(monkeypatch, tmp_path):
    import wandb

    from etude.tracker.wandb_observer import WandbObserver

    asked = []

    class FakeRun:
        url, id, starting_step = None, STAGE, 0
        settings = SimpleNamespace(sync_dir=str(tmp_path / "wandb" / "offline-run-1-a"))

        def define_metric(self, *names, **options):
            """Accept any metric."""

        def finish(self, exit_code):
            """End."""

    monkeypatch.setattr("etude.tracker.wandb_observer.why_not", lambda: "")
    monkeypatch.setattr("etude.tracker.wandb_observer.settle", lambda mode: None)
    torn_down = []
    monkeypatch.setattr(wandb, "teardown", lambda: torn_down.append(len(asked)))

    def init(settings, config):
        asked.append(settings.mode)
        if settings.mode == "online":
            raise wandb.errors.CommError("no route")
        return FakeRun()

    monkeypatch.setattr(wandb, "init", init)
    warnings = []
    graph = a_graph(tmp_path)
    observer = WandbObserver(Wandb(), "online", {}, warnings.append)
    observer.run_started(graph)
    observer.stage_started(graph.stages[STAGE], attempt=1, first_step=0, folder=str(tmp_path))
    observer.run_finished(graph)
    assert asked == ["online", "offline"] and torn_down == [1]
    (warning,) = warnings
    assert "no route" in warning and "tracker.mode=offline" in warning


def test_samples_of_a_stage_that_was_cut_are_those_of_its_newest_attempt(tmp_path):
    attempt = tmp_path / "attempts" / "1"
    attempt.mkdir(parents=True)
    (attempt / "samples.jsonl").write_text('{"step": 0}\n{"step": 1}\n')
    assert read_samples(tmp_path, 1) == [{"step": 1}]
    assert read_samples(tmp_path, 0) == []
