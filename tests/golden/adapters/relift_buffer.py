"""ReLIFT's buffer: what is collected, when it is taught, and what waits."""

from __future__ import annotations

from typing import Any

from etude.objective.extra_update.relift import ReLIFT
from etude.rows import Example, Row

METHOD = "relift"
CONFIG = {"kind", "sft_data_size"}
INPUTS = {"steps"}


class Solved:
    """A sampler that has a worked solution of everything."""

    def taught(self, example: Example) -> Row:
        return answer(example.id)


def answer(prompt: str, reward: float = 0.0) -> Row:
    return Row(
        prompt_id=prompt,
        index=0,
        prompt=(1,),
        tokens=(2,),
        loss_mask=[1],
        example=Example(prompt, source="", prompt=""),
        reward=reward,
    )


def run(case: Any) -> None:
    config = case.config
    config.choose("kind", {"buffer_schedule": None})
    size, members = config.take("sft_data_size"), config.take("group_size")
    part = ReLIFT(size=size, mini_batch=size, metric="reward", fail_value=config.take("fail_value"))
    state, steps = part.make_state(), []
    for prompts in case.inputs.take("steps"):
        assert all(len(each["rewards"]) == members for each in prompts)
        groups = [[answer(each["prompt"], r) for r in each["rewards"]] for each in prompts]
        waiting = len(state.rows)
        part.collect(groups, Solved(), state)
        added = [row.prompt_id for row in state.rows[: len(state.rows) - waiting]]
        taught = part.batches(state)
        assert len(taught) <= 1
        steps.append(
            {
                "added": added,
                "sft_batch": [row.prompt_id for row in taught[0]] if taught else None,
                "buffer_after": [row.prompt_id for row in state.rows],
            }
        )
    case.check("steps", steps)
