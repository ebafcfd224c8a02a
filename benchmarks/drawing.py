"""Seconds to draw a batch from many rows, and bytes that a stage needs to remember all of them.

    python benchmarks/drawing.py                # a million rows
    python benchmarks/drawing.py --rows 100000

Every row was judged. A batch is drawn by the mix's own order, by a band of pass rates, by weights
that a law gives and that a mapping gives, near to a point of its own for each row, and as the
shipped curricula have it. The median of some draws is given, and that of the first one, which reads
ids and columns, in seconds of the processor.
"""

from __future__ import annotations

import argparse
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from etude.curriculum.difficulty_band import DifficultyBand, DifficultyBandState
from etude.curriculum.prioritised import Prioritised
from etude.data_mix.demonstrations import WorkedSolutions
from etude.data_mix.draw import Draw
from etude.data_mix.form import Form
from etude.data_mix.history import History
from etude.data_mix.known import Known, Numbers
from etude.data_mix.share import OpenShare
from etude.data_mix.stream import Findings, Stream
from etude.rows import Outcome


class Many(Sequence[Any]):
    """Rows that are made when they are read."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, position: Any) -> Any:
        return {"id": str(position), "prompt": f"row {position}", "difficulty": position % 997}

    def column(self, name: str, positions: Iterable[int] | None = None) -> list[Any]:
        """Return one column."""
        places = range(self._size) if positions is None else positions
        return [self[int(place)][name] for place in places]


def remembered(rows: int) -> tuple[History, float]:
    """Return a history that knows every row, and the bytes a row that it takes."""
    random = np.random.default_rng(0)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    history = History()
    for start in range(0, rows, 10_000):
        right = random.random(10_000) < random.random(10_000)
        told = [
            SimpleNamespace(id=f"many:{n}", outcome=Outcome.CORRECT if ok else Outcome.WRONG)
            for n, ok in zip(range(start, start + 10_000), right, strict=True)
            for _ in range(2)
        ]
        history.observe(SimpleNamespace(step=start, rows=told))  # type: ignore[arg-type]
    del told
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return history, taken / rows


def variance(known: Known) -> Numbers:
    """Return weights by which rows that are solved half the time come most often."""
    rate = known.pass_rate()
    return rate * (1.0 - rate) + 1e-3


def measured(draw: Callable[[], Any], times: int) -> tuple[float, float]:
    """Return the seconds of the first of some draws, and the median of the others."""
    found = []
    for _ in range(times):
        began = time.process_time()
        draw()
        found.append(time.process_time() - began)
    return found[0], statistics.median(found[1:])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--times", type=int, default=9)
    args = parser.parse_args()
    history, bytes_a_row = remembered(args.rows)
    part = OpenShare("many", "many", "train", Many(args.rows), np.arange(args.rows), None)
    form = Form("{prompt}", None, None)
    shown = WorkedSolutions([part], form, 0, matched=False)
    stream = Stream(
        [part], [], form, Findings({}, {}), shown, seed=0, shuffle=True, history=history
    )
    weights = {f"many:{n}": float(n % 7) for n in range(args.rows)}
    bands = DifficultyBand(solved=1.0)
    points = [{"difficulty": float(n)} for n in range(args.batch)]
    told = SimpleNamespace(history=history)
    priorities, thompson = Prioritised().open(told), Prioritised(law="thompson").open(told)
    draws = {
        "in order": Draw(args.batch),
        "band": Draw(args.batch, pass_rate=(0.2, 0.8)),
        "law of weights": Draw(args.batch, row_weights=variance),
        "weights by id": Draw(args.batch, row_weights=weights),
        "points": Draw(args.batch, nearest=points),
        "difficulty_band": replace(
            DifficultyBandState(bands, history).plan(0).draw, count=args.batch
        ),
        "prioritised": replace(priorities.plan(0).draw, count=args.batch),
        "thompson": replace(thompson.plan(0).draw, count=args.batch),
    }
    print(
        f"{args.rows:,} rows, batches of {args.batch}; "
        f"the history takes {bytes_a_row:.0f} bytes a row"
    )
    print(f"{'drawn by':16}{'first (s)':>12}{'then (s)':>12}")
    for name, draw in draws.items():
        first, later = measured(lambda draw=draw: stream.next(draw), args.times)  # type: ignore[misc]
        print(f"{name:16}{first:12.3f}{later:12.3f}")
    began = time.perf_counter()
    metrics = history.metrics()
    print(f"metrics of the history: {time.perf_counter() - began:.3f} s, {metrics}")
    began = time.perf_counter()
    history.state_dict()
    print(f"its state: {time.perf_counter() - began:.3f} s")


if __name__ == "__main__":
    main()
