"""A step whose answers are judged as they are finished is the same to the bit."""

from __future__ import annotations

from typing import Any

import pytest

from etude.rollout.sampler import TransformersEngine
from etude.verifier.pool import Pool


def test_a_step_does_not_depend_on_when_its_answers_are_judged(
    learner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected: list[int] = []
    begin = Pool.expect

    def expect(self: Pool, candidates: Any) -> None:
        expected.append(len(candidates))
        begin(self, candidates)

    monkeypatch.setattr(Pool, "expect", expect)
    found = []
    for tells in (True, False):
        monkeypatch.setattr(TransformersEngine, "tells_what_ended", tells)
        stage = learner("rollout.stop=[e]", "rollout.max_new_tokens=48")
        step = stage.step(0)
        found.append((step.metrics, step.samples))
        assert (len(expected) > 1) == tells  # answers end one after the other
        expected.clear()
    assert found[0] == found[1]
