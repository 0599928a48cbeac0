"""One method on one problem: tuned, trained and timed within a budget."""

import time
from dataclasses import dataclass, replace

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import ParameterGrid

from skdeconv._images import middle
from skdeconv.benchmark._memory import PeakMemory
from skdeconv.benchmark._problem import judge
from skdeconv.degradations import Degradation
from skdeconv.restorers._denoiser import Denoiser

# Candidates of a grid are judged on the middles of a few training images.
TUNING_IMAGES, TUNING_SIZE = 8, 192


@dataclass(frozen=True)
class Task:
    """One method on one degradation."""

    degradation_name: str
    degradation: Degradation
    method: str
    estimator: BaseEstimator
    grid: dict[str, list]


def suits(estimator, psf):
    """Whether there is a PSF for what needs one, and no blur for a mere denoiser."""
    if isinstance(estimator, Denoiser) and not hasattr(estimator, "psf"):
        return psf is None
    constraints = getattr(estimator, "_parameter_constraints", {})
    needs_psf = (
        "psf" in constraints
        and None not in constraints["psf"]
        and estimator.get_params()["psf"] is None
    )
    return psf is not None or not needs_psf


def _prepare(task, problem, seed):
    """Give an estimator what it lacks: PSF, degradation, seed."""
    estimator = clone(task.estimator)
    parameters, given = estimator.get_params(), {}
    for name, value in parameters.items():
        if value is not None:
            continue
        last = name.rpartition("__")[2]
        # A network is shown the degradation, or, learning from noisy images, the PSF.
        supervision = parameters.get(name.removesuffix(last) + "supervision", "none")
        if last == "psf" and problem.psf is not None and supervision is not None:
            given[name] = problem.psf
        elif name == "degradation" and supervision in (None, "none"):
            given[name] = clone(task.degradation).set_params(random_state=None)
        elif last == "random_state":
            given[name] = seed
        elif last == "data_range":
            given[name] = problem.data_range
    return estimator.set_params(**given)


def run(task, problem, budget, seed):
    """Tune, train and judge one method; returns its records and answers."""
    start = time.perf_counter()
    with PeakMemory() as memory:
        estimator = _prepare(task, problem, seed)
        estimator, note = _tune(estimator, task.grid, problem, start, budget)
        _fit(estimator, problem, start, budget)
        fit_time = time.perf_counter() - start
        restored, times = [], []
        for observed in problem.test[0]:
            begin = time.perf_counter()
            restored += list(estimator.predict([observed]))
            times.append(time.perf_counter() - begin)
    if fit_time > budget:
        note = "; ".join(filter(None, [note, "out of budget"]))
    restored = [np.clip(image, 0, problem.data_range) for image in restored]
    rows = judge(task.degradation_name, task.method, problem, restored)
    for row, seconds in zip(rows, times, strict=True):
        row |= {
            "fit_time": fit_time,
            "predict_time": seconds,
            "peak_memory": memory.mebibytes,
            "note": note,
        }
    return rows, restored


def _tune(estimator, grid, problem, start, budget):
    """Try the grid's points in order while the budget lasts; give the best."""
    candidates = list(ParameterGrid(grid)) if grid else [{}]
    if len(candidates) == 1:
        return estimator.set_params(**candidates[0]), _describe(candidates[0])
    trained = any(name.endswith("max_epochs") for name in estimator.get_params())
    teach, judge = _tuning_pairs(problem, trained=trained)
    scores = []
    for candidate in candidates:
        if scores and time.perf_counter() - start > 0.9 * budget:
            break
        model = clone(estimator).set_params(**candidate)
        _fit(model, teach, time.perf_counter(), budget / (len(candidates) + 1))
        scores.append(model.score(*judge))
        if len(grid) == 1 and len(scores) == 2 and scores[0] == scores[1]:
            # To the last bit: what is tuned has no part in this problem.
            return clone(estimator), ""
    best = candidates[int(np.argmax(np.nan_to_num(scores, nan=-np.inf)))]
    note = _describe(best)
    if len(scores) < len(candidates):
        note += f" after {len(scores)} of {len(candidates)} candidates"
    return clone(estimator).set_params(**best), note


def _tuning_pairs(problem, *, trained):
    """What a candidate learns from, and the pairs that it is judged on.

    The judges are central crops of a few training images; what is trained must not
    have seen them.
    """
    observed, truth = problem.train
    judges = np.linspace(0, len(truth) - 1, min(TUNING_IMAGES, len(truth))).astype(int)
    judges = sorted(set(judges))
    pairs = tuple(
        [middle(images[i], TUNING_SIZE, problem.ndim) for i in judges]
        for images in (observed, truth)
    )
    if not trained or len(judges) == len(truth):
        return problem, pairs
    rest = [i for i in range(len(truth)) if i not in judges]
    teach = replace(
        problem,
        clean=[problem.clean[i] for i in rest],
        train=tuple([images[i] for i in rest] for images in problem.train),
    )
    return teach, pairs


def _describe(parameters):
    return ", ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in parameters.items()
    )


def _fit(estimator, problem, start, budget):
    params = estimator.get_params()
    left = max(budget - (time.perf_counter() - start), 1e-3)
    clocks = [name for name in params if name.rpartition("__")[2] == "max_time"]
    estimator.set_params(**{name: left for name in clocks if params[name] is None})
    if params.get("degradation") is not None:
        return estimator.fit(problem.clean)
    return estimator.fit(*problem.train)
