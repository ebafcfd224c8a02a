"""Loss and gradient of an update do not depend on how many processes share its rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from objective_cases import (
    SUITED,
    RowForward,
    Rows,
    composed,
    present_statistics,
    presets,
    random_rows,
    update_batch,
)
from torch import distributed

from etude.objective.batch import totals_of

pytestmark = pytest.mark.slow

FEATURES = 6


def matrix() -> torch.Tensor:
    """Return the parameter that every row's logits are made with, ``[F, V]``."""
    noise = torch.Generator().manual_seed(5)
    return torch.randn(FEATURES, 5, generator=noise, dtype=torch.float64)


def share(rows: Rows, rank: int, ranks: int) -> torch.Tensor:
    """Return the row numbers of a rank: every ``ranks``-th group, whole."""
    mine = torch.unique(rows.batch.groups)[rank::ranks]
    return torch.isin(rows.batch.groups, mine).nonzero().squeeze(-1)


def everyones(value: Any) -> list[Any]:
    """Return what each rank gives, in the order of ranks."""
    found: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(found, value)
    return found


def update(name: str, rank: int, ranks: int) -> tuple[float, list[float]]:
    """Return loss and gradient of one update whose rows lie on several ranks."""
    objective = composed(f"objective={name}", *SUITED.get(name, ()))
    rows = random_rows()
    noise = torch.Generator().manual_seed(6)
    features = torch.randn(*rows.logits.shape[:2], FEATURES, generator=noise, dtype=torch.float64)
    parameter = matrix().requires_grad_()
    mine = share(rows, rank, ranks)
    # Advantages belong to the rollout batch, which is gathered; the update is shared.
    whole = update_batch(objective, rows)
    totals = totals_of(whole.mask[mine], whole.groups[mine], width=whole.totals.width)
    if ranks > 1:
        totals = sum(everyones(totals)[1:], everyones(totals)[0])
    local = (features[mine] @ parameter).detach()
    statistics = present_statistics(objective, local, rows.tokens[mine])
    if ranks > 1:
        order = torch.cat(everyones(mine))
        gathered = everyones(statistics)
        statistics = {
            key: torch.cat([each[key] for each in gathered])[order.argsort()] for key in statistics
        }
    assert (totals.tokens, totals.rows, totals.groups, totals.all_rows) == (
        whole.totals.tokens,
        whole.totals.rows,
        whole.totals.groups,
        whole.totals.all_rows,
    )
    prepared = objective.prepare(whole, statistics)
    logits = features[mine] @ parameter
    loss = objective.loss(prepared.select(mine), RowForward(logits, rows.tokens[mine])).total
    loss.backward()
    assert parameter.grad is not None
    result = torch.cat([loss.detach().reshape(1), parameter.grad.flatten()])
    if ranks > 1:
        distributed.all_reduce(result)
    return float(result[0]), result[1:].tolist()


@pytest.fixture(scope="module")
def of_two_ranks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return every objective's loss and gradient as two processes find them together."""
    folder = tmp_path_factory.mktemp("ranks")
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, __file__, str(folder)]
    started = [
        subprocess.Popen([*command, str(rank)], env=environment, stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    for process in started:
        _, said = process.communicate(timeout=900)
        assert process.returncode == 0, said[-2000:]
    return json.loads((folder / "found.json").read_text())


@pytest.mark.parametrize("name", presets("policy_gradient"))
def test_two_ranks_find_the_loss_and_gradient_of_one(name: str, of_two_ranks: Any) -> None:
    loss, gradient = update(name, 0, 1)
    other_loss, other_gradient = of_two_ranks[name]
    assert other_loss == pytest.approx(loss, rel=1e-10, abs=1e-12)
    assert other_gradient == pytest.approx(gradient, rel=1e-8, abs=1e-12)
    assert any(abs(value) > 0 for value in gradient)


def main(folder: Path, rank: int) -> None:
    """Be one of two ranks."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2
    )
    found = {name: update(name, rank, 2) for name in presets("policy_gradient")}
    if rank == 0:
        (folder / "found.json").write_text(json.dumps(found))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
