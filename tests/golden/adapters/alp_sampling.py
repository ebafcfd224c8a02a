"""Chances of the components of a mixture: by mean progress, or by the trend of rewards."""

from __future__ import annotations

from typing import Any

import numpy as np

from etude.curriculum.alp_gmm import AlpGMM
from etude.curriculum.covar_gmm import CovarGMM
from etude.primitives.gaussian_mixture import GaussianMixture

METHOD = "alp_gmm"
CONFIG = {"kind"}
INPUTS = {"means", "covariances"}


def run(case: Any) -> None:
    case.config.choose("kind", {"sampling": None})
    means = np.array(case.inputs.take("means"), dtype=np.float64)
    count, size = means.shape
    given = case.inputs.take("covariances")
    covariances = np.zeros((count, size, size)) if given is None else np.array(given, float)
    mixture = GaussianMixture(np.full(count, 1 / count), means, covariances)
    case.check("alp_gmm_component_probs", AlpGMM().chances(mixture).tolist())
    if given is not None:
        case.check("covar_gmm_lp", CovarGMM().progress(mixture).tolist())
        case.check("covar_gmm_probs", CovarGMM().chances(mixture).tolist())
        case.check("covar_gmm_abs_probs", CovarGMM(absolute=True).chances(mixture).tolist())
