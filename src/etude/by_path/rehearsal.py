"""Parts by path tried on a few made-up rows before the first stage trains.

A wrong shape, or a name that does not exist, in the loss of the third stage is then told when the
command is typed. It takes a process of its own, which imports torch; run as a program it reads
pickled parts and answers with what went wrong, by number.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etude.by_path.call import told
from etude.by_path.reference import read
from etude.errors import ConfigError, EtudeError

if TYPE_CHECKING:
    from etude.objective.batch import LossBatch, RolloutBatch
    from etude.rows import Row

SECONDS = 120.0

_PROGRAM = "from etude.by_path.rehearsal import main; main()"

_GROUPS, _MOST_ROWS, _WIDTH = 2, 64, 6


@dataclass(frozen=True)
class Tried:
    """A part to try: its group and node, and the answers to each prompt of its stage.

    ``parts`` are those that the stage's verifier gives, None where they are not known.
    """

    group: str
    node: Mapping[str, Any]
    rollouts: int
    steps: int
    parts: tuple[str, ...] | None


def problems(parts: Sequence[Tried]) -> dict[int, str]:
    """Return number of a part → what went wrong with it; nothing where trying takes too long."""
    given = {"path": [str(Path(p or ".").resolve()) for p in sys.path], "parts": list(parts)}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _PROGRAM],
            input=pickle.dumps(given),
            capture_output=True,
            timeout=SECONDS,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    except subprocess.TimeoutExpired:
        return {}
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        return {0: f"ended the process that tried it: {''.join(said)}"}
    found: dict[int, str] = pickle.loads(done.stdout)
    return found


def tried_here(parts: Sequence[Tried]) -> dict[int, str]:
    """Return what :func:`problems` does, tried in this process."""
    return {
        number: said
        for number, part in enumerate(parts)
        if (said := next(_faults(part), None)) is not None
    }


def main() -> None:
    """Answer what is read from standard input; what functions print goes to the error."""
    answer_to = os.dup(1)
    os.dup2(2, 1)
    given = pickle.load(sys.stdin.buffer)
    sys.path[:] = given["path"]
    found = tried_here(given["parts"])
    with os.fdopen(answer_to, "wb") as stream:
        pickle.dump(found, stream)


def _faults(tried: Tried) -> Iterator[str]:
    from etude.build import build

    try:
        part = build(tried.node, tried.group)
        if tried.group == "objective/advantage":
            part.estimate(_rollouts(tried), part.make_state())
        elif tried.group == "objective/policy_loss" and hasattr(part, "call"):
            part.loss(_updates(tried), _Forward(tried))
        elif tried.group == "reward_weighting" and not _of_batch(part):
            _reward(part, tried)
        elif tried.group == "objective/filter" and _can_answer(part, tried):
            part.keep_groups(_answered(tried))
        elif tried.group == "rollout/budget" and hasattr(part, "call"):
            _decide(part, tried)
        elif tried.group == "evaluation":
            from etude.by_path import made_up_view

            made_up_view.tried(part, tried.parts)
    except ConfigError as error:
        if not _elsewhere(error):
            yield "; ".join(fault.message for fault in error.faults)
    except Exception as error:  # a class may raise anything
        if not _elsewhere(error):
            own = str(error) if isinstance(error, EtudeError) else ""
            yield own or f"failed: {told(error, read(str(tried.node['name'])).original)}"


def _decide(part: Any, tried: Tried) -> None:
    """Ask a budget for the answers to made-up prompts: a new one and some of three shares."""
    from etude.data_mix.history import Visits
    from etude.rollout.budget.kind import Asked
    from etude.rows import Example

    if "columns" in part.call.asks:
        return  # the columns of the stage's rows are not known here
    size = max(1, min(tried.rollouts, _MOST_ROWS))
    known = [Visits(right, 4, right, 4, 1, 0) for right in (0, 1, 4)]
    examples = [Example(str(number), "made up", "a prompt") for number in range(4)]
    part.open(None).sizes(Asked(0, max(1, tried.steps), 0, examples, [size] * 4, [None, *known]))


def _elsewhere(error: BaseException) -> bool:
    """Tell whether an error may be none on the machine that trains: a file, memory, a GPU."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError | MemoryError) or "cuda" in str(cause).lower():
            return True
        cause = cause.__cause__
    return False


class _AnyPart(dict[str, Any]):
    """Parts of a verifier of which the names are not known: each is there."""

    def __missing__(self, name: str) -> Any:
        return self["accuracy"]


class _AnyRole(dict[str, Any]):
    """Log-probs of models: every role has some."""

    def __contains__(self, name: object) -> bool:
        return name != "old"

    def __missing__(self, name: str) -> Any:
        return self["reference"]


class _AnyTensor(dict[str, Any]):
    """Numbers of each token under any name: 0 everywhere."""

    def __init__(self, mask: Any) -> None:
        super().__init__()
        self._mask = mask

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> Any:
        return self._mask * 0


def _rows(tried: Tried) -> dict[str, Any]:
    """Return the tensors of made-up rows: two prompts whose answers differ."""
    import torch

    size = max(1, min(tried.rollouts, _MOST_ROWS // _GROUPS))
    count = _GROUPS * size
    rewards = (torch.arange(count) % 3).float() / 2
    lengths = 1 + torch.arange(count) % _WIDTH
    mask = (torch.arange(_WIDTH) < lengths.unsqueeze(-1)).float()
    names = tried.parts if tried.parts is not None else ("accuracy",)
    parts = {name: rewards.clone() for name in names}
    return {
        "groups": torch.arange(count) // size,
        "rewards": rewards,
        "lengths": lengths,
        "mask": mask,
        "old_logprobs": -mask,
        "role_logprobs": _AnyRole({"reference": -1.5 * mask}),
        "truncated": lengths == _WIDTH,
        "tensors": _AnyTensor(mask),
        "parts": _AnyPart(parts) if tried.parts is None else parts,
        "steps": max(1, tried.steps),
    }


def _of_batch(part: Any) -> bool:
    """Return whether a weighting asks for what only a policy that learns gives."""
    from etude.component import ADVANTAGES, OF_BATCH

    return any(need.what in (OF_BATCH, ADVANTAGES) for need in part.declaration.provides)


def _reward(part: Any, tried: Tried) -> None:
    import torch

    from etude.learner.part_values import PartValues, combine
    from etude.reward_weighting.interface import Tools

    groups = _answered(tried)
    if tried.parts is None:
        return
    rows = [row for group in groups for row in group]
    tools = Tools(
        steps=max(1, tried.steps),
        lengths=torch.tensor([len(row.tokens) for row in rows]),
        truncated=torch.zeros(len(rows), dtype=torch.bool),
        seeds=torch.arange(len(rows)),
        width=_WIDTH,
    )
    combine(part, rows, PartValues.of(groups), part.start(0), tools)


def _can_answer(part: Any, tried: Tried) -> bool:
    """Tell whether a filter can be given answers: lists of parts need their names."""
    return hasattr(part, "call") and (tried.parts is not None or "parts" not in part.call.asks)


def _answered(tried: Tried) -> list[list[Row]]:
    """Return made-up answers to three prompts: some right, all right, and none."""
    from etude.rows import Example, Outcome, Row, Verdict

    size = max(1, min(tried.rollouts, _MOST_ROWS // 3))

    def row(prompt: int, index: int, reward: float) -> Row:
        length = 1 + index % _WIDTH
        made = Row(
            prompt_id=str(prompt),
            index=index,
            prompt=(1,),
            tokens=(2,) * length,
            loss_mask=[1] * length,
            example=Example(str(prompt), "made up", "a prompt"),
            reward=reward,
        )
        outcome = Outcome.CORRECT if reward == 1.0 else Outcome.WRONG
        made.verdict = Verdict(outcome, dict.fromkeys(tried.parts or (), reward))
        return made

    kinds = ([index % 3 / 2 for index in range(size)], [1.0] * size, [0.0] * size)
    return [
        [row(prompt, index, reward) for index, reward in enumerate(rewards)]
        for prompt, rewards in enumerate(kinds)
    ]


def _rollouts(tried: Tried) -> RolloutBatch:
    from etude.objective.batch import RolloutBatch, place_outcome

    rows = _rows(tried)
    rewards = place_outcome(rows["rewards"], rows["lengths"], _WIDTH)
    return RolloutBatch(**rows, token_rewards=rewards, width=_WIDTH)


def _updates(tried: Tried) -> LossBatch:
    import torch

    from etude.objective.batch import LossBatch, totals_of

    rows = _rows(tried)
    del rows["truncated"]
    return LossBatch(
        **rows,
        advantages=rows["rewards"].unsqueeze(-1) * rows["mask"],
        row_seeds=torch.arange(len(rows["rewards"])),
        step=0,
        totals=totals_of(rows["mask"], rows["groups"], width=_WIDTH),
    )


class _Forward:
    """A forward pass that gave made-up log-probs and entropies."""

    def __init__(self, tried: Tried) -> None:
        mask = _rows(tried)["mask"]
        self.logprobs = (-1.1 * mask).requires_grad_()

    def entropy(self) -> Any:
        return 0.5 + 0.0 * self.logprobs
