"""Empty folders to type commands in where the outside package is installed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from warm_commands import Place, Warm


@pytest.fixture(scope="session")
def outside(warm_outside: Warm, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Place]:
    """Return a function that makes such folders."""
    return lambda name: Place(tmp_path_factory.mktemp(name), warm_outside)
