"""How a demonstration takes the place of an answer: its end, and what the model reads of it."""

from __future__ import annotations

from typing import Any

from etude.learner.microbatch import collate
from etude.primitives.ending import ended
from etude.rows import Example, Row

METHOD = "relift"
CONFIG = {"kind", "eos_token_id", "pad_token_id"}
INPUTS = {"prompts", "demonstration_ids"}


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    config.choose("kind", {"demonstration_substitution": None})
    end, filler = config.take("eos_token_id"), config.take("pad_token_id")
    prompts, shown = inputs.take("prompts"), inputs.take("demonstration_ids")
    seen, positions = inputs.take("attention_mask"), inputs.take("position_ids")
    width = len(shown[0])
    found: dict[str, list[list[int]]] = {
        name: [] for name in ("responses", "input_ids", "attention_mask", "position_ids")
    }
    for prompt, tokens, attended, places in zip(prompts, shown, seen, positions, strict=True):
        left = attended.index(1)  # their prompts are padded on the left, ours not at all
        assert places[: left + 1] == [0] * (left + 1)
        words = tokens[: tokens.index(filler)] if filler in tokens else tokens
        row = Row(
            prompt_id="",
            index=0,
            prompt=tuple(prompt[left:]),
            tokens=(response := ended(words, end, width)),
            loss_mask=[1] * len(response),
            example=Example("", source="", prompt=""),
        )
        batch = collate([row], pad_id=filler)
        empty = width - len(response)
        found["responses"].append([*response, *[filler] * empty])
        found["input_ids"].append([*prompt[:left], *batch.ids[0].tolist(), *[filler] * empty])
        read = [0] * left + [1] * (len(prompt) - left + len(response))
        found["attention_mask"].append(read + [0] * empty)
        last = int(batch.positions[0, -1])
        ahead = range(last + 1, last + 1 + empty)  # padding goes on counting
        found["position_ids"].append([0] * left + [*batch.positions[0].tolist(), *ahead])
    for name, value in found.items():
        case.check(name, value)
