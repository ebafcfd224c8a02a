"""A curriculum that plans groups of unequal size is refused where a part needs equal ones."""

from dataclasses import replace

import pytest

from etude import schema
from etude.component import UNEQUAL_SIZES
from etude.config.prepare import prepare
from etude.entries import NeedInfo
from etude.errors import ConfigError


def test_parts_that_need_groups_of_one_size_refuse_a_curriculum_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepare(["recipe=rl", "objective=riskpo"])
    curricula = schema.load().components["curriculum"]
    unequal = replace(curricula["constant"], provides=(NeedInfo(UNEQUAL_SIZES, "", ""),))
    monkeypatch.setitem(curricula, "constant", unequal)  # type: ignore[arg-type]
    with pytest.raises(ConfigError) as caught:
        prepare(["recipe=rl", "objective=riskpo", "seed=3"])
    (fault,) = caught.value.faults
    assert "riskpo needs groups of one size because a paper has one answer" in fault.message
    assert "constant plans others" in fault.message
    prepare(["recipe=rl", "objective=rloo", "seed=3"])
