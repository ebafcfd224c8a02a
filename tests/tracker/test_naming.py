"""A W&B run is called what a person would call it."""

import pytest

from etude.plan.nodes import EvaluationNode, Graph, Run, RunStage, StageNode
from etude.plan.references import Made
from etude.tracker.naming import LONGEST_NAME, LONGEST_TAG, name_of, tags_of


def a_sweep(tmp_path):
    """Return two objectives by two rates over one supervised start."""
    model = {"name": "pretrained", "path": "org/Some-0.6B"}
    sft = StageNode("sft", "s", "", {"objective": {"name": "sft"}, "model": model}, "supervised")
    stages, runs = {"s": sft}, []
    for objective in ("grpo", "rloo"):
        for rate in ("1e-5", "1e-6"):
            key = f"{objective}{rate}"
            config = {"objective": {"name": objective}, "model": model, "seed": 2}
            stages[key] = StageNode(
                "rl", key, "", config, "policy_gradient", inputs={"start": Made("s")}
            )
            asked = ("recipe=sft_then_rl", f"objective={objective}", f"optimizer.lr={rate}")
            asked += ("seed=2", "tracker.project=p", "execution.threads=1")
            runs.append(Run("sft_then_rl", asked, (RunStage("sft", "s"), RunStage("rl", key)), {}))
    return Graph(stages, {}, list(stages.values()), runs, tmp_path)


def test_a_member_of_a_sweep_is_named_by_what_differs_and_its_seed(tmp_path):
    graph = a_sweep(tmp_path)
    names = {key: name_of(node, graph) for key, node in graph.stages.items()}
    assert names == {
        "s": "sft_then_rl sft seed=0",
        "grpo1e-5": "sft_then_rl rl objective=grpo optimizer.lr=1e-5 seed=2",
        "grpo1e-6": "sft_then_rl rl objective=grpo optimizer.lr=1e-6 seed=2",
        "rloo1e-5": "sft_then_rl rl objective=rloo optimizer.lr=1e-5 seed=2",
        "rloo1e-6": "sft_then_rl rl objective=rloo optimizer.lr=1e-6 seed=2",
    }
    assert tags_of(graph.stages["grpo1e-5"], graph, ["mine"]) == (
        "mine", "sft_then_rl", "grpo", "rl", "Some-0.6B",
    )  # fmt: skip


def test_a_run_alone_is_named_by_what_was_asked(tmp_path):
    graph = a_sweep(tmp_path)
    del graph.runs[1:]
    assert name_of(graph.stages["s"], graph).startswith("sft_then_rl sft objective=grpo")


@pytest.mark.parametrize("text", ["x" * 300, "\x1b[31mred\nline"])
def test_names_and_tags_keep_to_what_can_be_shown(tmp_path, text):
    config = {"objective": {"name": text}, "model": {"name": "scratch"}}
    node = StageNode("rl", "r", "", config, "policy_gradient")
    run = Run(text, (), (RunStage("rl", "r"),), {})
    graph = Graph({"r": node}, {}, [node], [run], tmp_path)
    assert len(name_of(node, graph)) <= LONGEST_NAME and name_of(node, graph).isprintable()
    assert all(len(t) <= LONGEST_TAG and t.isprintable() for t in tags_of(node, graph, [text]))


def test_an_evaluation_has_a_name_without_a_graph():
    node = EvaluationNode("base", "e", {"seed": 3, "model": {"name": "scratch"}})
    assert name_of(node, None) == "base seed=3"
    assert tags_of(node, None, []) == ("base", "scratch")
