"""What became solvable, and where a change of accuracy comes from."""

from __future__ import annotations

from typing import Any

import numpy as np

from etude.evaluation.statistics import pass_at_k, unreached_bound
from etude.statistics.splits import change_by_solved, moved, moved_in_one, solvable

METHOD = "evaluation"
CONFIG = {"metric", "k"}
INPUTS = {"correct_base", "correct_trained"}


def run(case: Any) -> None:
    assert case.config.take("metric") == "capability_split"
    k = case.config.take("k")
    base = np.array(case.inputs.take("correct_base"), dtype=bool)
    now = np.array(case.inputs.take("correct_trained"), dtype=bool)
    reach = solvable(base, now)
    case.check("solvable_base", reach.before.astype(int).tolist())
    case.check("solvable_trained", reach.after.astype(int).tolist())
    case.check("gained_capability", reach.gained.astype(int).tolist())
    case.check("lost_capability", reach.lost.astype(int).tolist())
    one, kept = moved_in_one(base, now)
    first = {"capability_gain": one.gain, "self_distillation": one.distillation}
    case.check("greedy_first_sample", {**first, "retained": kept, "forgotten": one.forgetting})
    on_average = moved(base, now)
    split = {"capability_gain": on_average.gain, "self_distillation": on_average.distillation}
    ends = {"forgetting": on_average.forgetting, "net": on_average.net}
    case.check("expected", {**split, **ends})
    case.check("accuracy", [float(pass_at_k(each, 1).mean()) for each in (base, now)])
    case.check("capability", [float(pass_at_k(each, k).mean()) for each in (base, now)])
    by_count = {str(count): change for count, change in change_by_solved(base, now).items()}
    case.check("delta_accuracy_by_base_solved_count", by_count)
    case.check("unsolved_success_upper_bound_95", unreached_bound(k))
