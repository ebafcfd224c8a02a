"""The error rates that ``etude verify FILE label=COLUMN --json`` has measured, read again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from etude.errors import DataError

_AGAIN = "etude verify ANSWERS verifier=… label=COLUMN --json writes one that has"


@dataclass(frozen=True)
class MeasuredRates:
    """How often a verifier erred on labelled answers, each a share from 0 to 1.

    ``false_positive`` is that of wrong answers that it accepted, ``false_negative`` that of right
    ones that it rejected.
    """

    false_positive: float
    false_negative: float


def read_rates(file: str) -> MeasuredRates:
    """Return the rates of a file; it is read once for each state of it.

    Raises DataError, in words that go on from the name of a key, where there is no such file, it is
    another, or it was written of answers without labels.
    """
    path = Path(file).expanduser()
    try:
        stat = path.stat()
        return _read(path, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise DataError(f"names {file}, which cannot be read: {error.strerror}.") from error


@lru_cache(maxsize=64)
def _read(path: Path, _size: int, _changed: int) -> MeasuredRates:
    try:
        said: Any = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"names {path}, which is no JSON: {error}. {_AGAIN} rates.") from error
    table = said.get("table") if isinstance(said, Mapping) else None
    if not isinstance(table, Mapping):
        raise DataError(f"names {path}, which is not what etude verify --json writes: no table.")
    rates = table.get("rates")
    if not isinstance(rates, Mapping):
        raise DataError(f"names {path}, which was written without labels. {_AGAIN} rates.")
    return MeasuredRates(
        _share(rates, "false_positive", "wrong", path),
        _share(rates, "false_negative", "right", path),
    )


def _share(rates: Mapping[str, Any], name: str, labelled: str, path: Path) -> float:
    rate = rates.get(name)
    share = rate.get("share") if isinstance(rate, Mapping) else None
    if share is None:
        told = f"no answer in it is labelled {labelled}, so the {name.replace('_', '-')} rate"
        raise DataError(f"names {path}, and {told} is not known.")
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
        raise DataError(f"names {path}, whose {name} is {share!r:.40}, no share from 0 to 1.")
    return float(share)
