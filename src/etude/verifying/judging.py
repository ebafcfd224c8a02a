"""A verifier opened for a file of answers: in workers alone, or with the models it asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from etude.build import build, build_struct
from etude.config.installation import Installation
from etude.config.roles import measured
from etude.config.settings import Execution
from etude.errors import VerifierError
from etude.rows import Candidate, Verdict
from etude.verifier.host import Alone
from etude.verifier.interface import sound


def verdicts_of(
    config: Mapping[str, Any], verifier: Any, candidates: Sequence[Candidate], here: Installation
) -> list[Verdict]:
    """Return a verdict for each candidate, in order.

    ``config`` is that of :func:`etude.config.check_verify.prepare_verify` and ``verifier`` its
    verifier, built. Models are loaded where it asks for some. Raises VerifierError where it cannot
    judge at all.
    """
    with closing(_host(config, verifier, here)) as host:
        judge = host.open(verifier)
        if judge is None:
            raise VerifierError(f"{verifier.title} was opened and gave nothing that judges")
        return [sound(verdict) for verdict in judge.verify(candidates)]


def _host(config: Mapping[str, Any], verifier: Any, here: Installation) -> Any:
    execution = build_struct(Execution, config["execution"], "execution")
    seed = int(config["seed"])
    if not measured(config, here.schema):
        return Alone(execution.verifier_workers, seed)
    from etude.evaluation.host import EvaluationHost
    from etude.execute.determinism import settle
    from etude.learner.context import StageContext

    settle(execution.threads)
    rollout = build(config["rollout"], "rollout", here.schema)
    return EvaluationHost(config, StageContext(seed, Path()), None, verifier, rollout, execution)
