"""Criteria by which the number of components is chosen, for given log-likelihoods."""

from __future__ import annotations

from typing import Any

import numpy as np

from etude.curriculum.alp_gmm import AlpGMM
from etude.primitives.gaussian_mixture import free_parameters

METHOD = "alp_gmm"
CONFIG = {"kind", "ks"}
INPUTS = {"points_task_plus_alp"}


def run(case: Any) -> None:
    case.config.choose("kind", {"selection": None})
    points = np.array(case.inputs.take("points_task_plus_alp"))
    given = case.expected.values["per_k"]
    count, size = points.shape
    found = []
    for k, each in zip(case.config.take("ks"), given, strict=True):
        scores = {
            name: AlpGMM(criterion=criterion, reference_count=True).fitting.score(
                each["loglik"], k, size, count
            )
            for name, criterion in (("aic", "aic"), ("bic", "bic"), ("aicc_reference", "aicc"))
        }
        own = {"k": k, "loglik": each["loglik"], "n_params": free_parameters(k, size)}
        found.append(own | scores)
    case.check("per_k", found)
