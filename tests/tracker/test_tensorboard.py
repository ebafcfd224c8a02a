"""TensorBoard reads of a run what its stages' files have, each step once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_training import STEPS, Attempt, a_run

from etude.tracker.following import StageFollowing
from etude.tracker.tensorboard import TensorBoard

pytest.importorskip("tensorboard")

pytestmark = pytest.mark.slow


def observer(outputs: Path, graph: Any) -> StageFollowing:
    found = TensorBoard(samples=2).observer({"outputs": str(outputs)}, pytest.fail)
    assert isinstance(found, StageFollowing)
    assert found.where() == ""
    found.run_started(graph)
    return found


def read(folder: Path) -> Any:
    """Read a folder of event files as TensorBoard does."""
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), {"tensors": 0})
    found.Reload()
    return found


def scalars(read: Any, tag: str) -> list[tuple[int, float]]:
    return [(each.step, each.tensor_proto.float_val[0]) for each in read.Tensors(tag)]


def text(read: Any, tag: str) -> list[str]:
    tensors = read.Tensors(f"{tag}/text_summary")
    return [each.tensor_proto.string_val[0].decode() for each in tensors]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tell two attempts at a stage, the first of which ended without a word; return outputs."""
    outputs = tmp_path_factory.mktemp("board") / "outputs"
    graph = a_run(outputs, [("optimizer.lr=0.1",), ("optimizer.lr=0.2",)])
    first = observer(outputs, graph)
    Attempt([first], graph, 1, 0).steps(8)
    first._record._writer.flush()  # type: ignore[union-attr]
    second = observer(outputs, graph)
    attempt = Attempt([second], graph, 2, 5)
    attempt.steps(STEPS)
    second.stage_finished(attempt.node, seconds=1.5, folder=str(attempt.folder.parent.parent))
    second.run_finished(graph)
    assert second.where() == f"board    tensorboard --logdir {outputs / 'tensorboard'}"
    return outputs


def test_every_step_is_shown_once_also_after_a_restart(told: Path) -> None:
    (folder,) = (told / "tensorboard").iterdir()
    assert folder.name == "quick rl optimizer.lr=0.1 seed=7 aaaaaaaa"
    assert len(list(folder.iterdir())) == 2
    found = read(folder)
    assert scalars(found, "loss") == [(n, float(n)) for n in range(STEPS)]
    # Steps before the restart stand at the time they were made.
    assert [each.wall_time for each in found.Tensors("loss")[:5]] == [1e9 + n for n in range(5)]
    assert scalars(found, "evaluation/pass@1") == [(5, 0.5), (10, 1.0)]
    assert len(scalars(found, "at_a_glance/1_reward")) == STEPS


def test_samples_config_and_facts_are_texts(told: Path) -> None:
    (folder,) = (told / "tensorboard").iterdir()
    found = read(folder)
    (config,) = text(found, "config")
    assert "fingerprint: aaaaaaaaaaaaaaaa" in config
    assert text(found, "samples")[-1].splitlines()[2:] == [
        "| 8 | 8 + 1 = | 8 |",
        "| 9 | 9 + 1 = | 9 |",
    ]
    assert len(text(found, "evaluation/samples")[-1].splitlines()) == 4
    (facts,) = text(found, "facts")
    assert "| seconds | 1.5 |" in facts


def test_what_differs_is_there_to_tell_members_of_a_sweep_apart(told: Path) -> None:
    from tensorboard.plugins.hparams.metadata import SESSION_START_INFO_TAG
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    (folder,) = (told / "tensorboard").iterdir()
    content = read(folder).SummaryMetadata(SESSION_START_INFO_TAG).plugin_data.content
    said = HParamsPluginData.FromString(content).session_start_info.hparams
    assert said["optimizer.lr"].number_value == 0.1
    assert said["seed"].number_value == 7


def test_markup_of_an_answer_stays_text(tmp_path: Path) -> None:
    from etude.tracker.tensorboard_record import _cell

    assert _cell("a | <b>\nc") == "a &#124; &#60;b&#62;<br>c"
