"""Random numbers that belong to rows: a draw depends on what it is for, never on when it is made.

Every generator is seeded by a hash of its purpose (run seed, step, prompt id, rollout index, …), so
batching, row order, finished rows leaving a batch and the number of ranks change no draw.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def seed_of(*parts: int | str) -> int:
    """Return a 64-bit seed that depends on every part and on their order."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def row_seed(seed: int, step: int, prompt_id: str, index: int) -> int:
    """Return the seed of one rollout: of which run, step, prompt and place in its group."""
    return seed_of("rollout", seed, step, prompt_id, index)


def judging_seed(row: int, turn: int = 0) -> int:
    """Return the seed by which an answer is judged, of the :func:`row_seed` it was sampled by."""
    return seed_of("verifier", row, turn)


def generator(*parts: int | str) -> np.random.Generator:
    """Return a generator of its own for the purpose that ``parts`` name."""
    return np.random.Generator(np.random.Philox(key=seed_of(*parts)))


def uniforms(seed: int, count: int) -> NDArray[np.float64]:
    """Return the first ``count`` uniforms in [0, 1) of a row, float64 ``[count]``."""
    return np.random.Generator(np.random.Philox(key=seed)).random(count)
