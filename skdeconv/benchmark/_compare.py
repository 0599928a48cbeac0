"""Restorers against each other: same data, same budget, real borders."""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from scipy.signal import convolve
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import ParameterGrid
from sklearn.utils import check_random_state

from skdeconv._images import ImageBatch, check_images, resolve_data_range
from skdeconv.benchmark._comparison import INPUT, Comparison, summarise
from skdeconv.benchmark._memory import PeakMemory
from skdeconv.degradations import Degradation
from skdeconv.metrics import psnr, ssim
from skdeconv.operators import Blur

METRICS = {"psnr": psnr, "ssim": ssim}
# Width of the border band where there is no PSF to give its radius.
PLAIN_BORDER = 8
CROP = 128
# Candidates of a grid are judged on the middles of a few training images.
TUNING_IMAGES, TUNING_SIZE = 8, 256
N_EXAMPLES = 3


@dataclass(frozen=True)
class _Task:
    """One method on one degradation."""

    degradation_name: str
    degradation: Degradation
    method: str
    estimator: BaseEstimator
    grid: dict[str, list]


@dataclass
class _Problem:
    """What every method of one degradation is given."""

    clean: Any
    train: tuple[Any, Any]
    test: tuple[Any, Any]
    names: list[str]
    psf: np.ndarray | None
    data_range: float
    metrics: dict[str, Callable] = field(default_factory=dict)


def compare(
    restorers: Mapping[str, Any] | Sequence[Any],
    degradations: Mapping[str, Degradation],
    images,
    *,
    test_images,
    image_names: Sequence[str] | None = None,
    budget: float = 60.0,
    metrics: Sequence[str] | Mapping[str, Callable] = ("psnr", "ssim"),
    data_range: float | None = None,
    random_state: int | None = 0,
    n_jobs: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Compare restorers on the same images, with the same budget and real borders.

    For every degradation, training and test images are degraded by
    :meth:`~skdeconv.degradations.Degradation.pair`. Every method may spend `budget`
    seconds on tuning its grid and on training, with the training images alone; then it
    restores the test images. Answers are clipped to the data range before they are
    measured; the input is measured as it is.

    Parameters
    ----------
    restorers : mapping of str to estimator, or sequence of estimators
        The methods. An estimator may come as a pair ``(estimator, param_grid)``. A
        parameter ``psf`` that is None gets the PSF of each degradation (also in a
        Pipeline), a parameter ``degradation`` that is None the degradation itself,
        ``random_state`` the `random_state`, and ``max_time`` the rest of the budget. An
        estimator that cannot do without a PSF is left out where there is none.
    degradations : mapping of str to Degradation
        What is to be undone.
    images : array-like or list of images
        Clean training images.
    test_images : array-like or list of images
        Clean test images, in the same units.
    image_names : sequence of str or None, default=None
        Names of the test images; None numbers them.
    budget : float, default=60
        Wall seconds per method and degradation for tuning and training. What does not
        fit is left out, and the record says so; a table is the same again for the same
        seed as long as nothing is.
    metrics : sequence of {"psnr", "ssim"} or mapping of str to callable, \
            default=("psnr", "ssim")
        More measures: ``metric(y_true, y_pred, data_range=..., reduction="none")``. The
        PSNR is always taken.
    data_range : float or None, default=None
        Span of the intensities; None takes it from the dtype of the images.
    random_state : int or None, default=0
        Seeds noise, weights and the bootstrap.
    n_jobs : int or None, default=None
        Methods that run at once, in processes of their own; times are comparable only
        with 1.
    progress : callable or None, default=None
        Called with a line of text when a method has finished.

    Returns
    -------
    comparison : Comparison
        Records per degradation, method and image, with their means.

    Raises
    ------
    ValueError
        If there is nothing to compare, or images are refused.

    Examples
    --------
    >>> from skdeconv import Degradation, WienerRestorer
    >>> from skdeconv.benchmark import compare
    >>> from skdeconv.datasets import make_dead_leaves
    >>> from skdeconv.degradations import GaussianNoise
    >>> leaves = make_dead_leaves(4, shape=(48, 48), random_state=0)
    >>> comparison = compare(
    ...     {"Wiener": (WienerRestorer(), {"alpha": [0.1, 1.0, 10.0]})},
    ...     {"noise": Degradation([GaussianNoise(0.1)])},
    ...     leaves[:2],
    ...     test_images=leaves[2:],
    ... )
    >>> [record["method"] for record in comparison.summary]
    ['Wiener', 'Input']
    """
    methods = _check_restorers(restorers)
    if not isinstance(degradations, Mapping) or not degradations:
        raise ValueError(
            f"degradations must map names to Degradation objects, got {degradations!r}."
        )
    if not budget > 0:
        raise ValueError(
            f"budget must be a positive number of seconds, got {budget!r}."
        )
    metrics = _check_metrics(metrics)
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    problems = {
        name: _pose(
            degradation, images, test_images, image_names, data_range, metrics, seed + i
        )
        for i, (name, degradation) in enumerate(degradations.items())
    }
    tasks = [
        _Task(name, degradation, method, estimator, grid)
        for name, degradation in degradations.items()
        for method, (estimator, grid) in methods.items()
        if problems[name].psf is not None or not _needs_psf(estimator)
    ]
    start = time.perf_counter()
    results = Parallel(n_jobs=n_jobs or 1, return_as="generator")(
        delayed(_run)(task, problems[task.degradation_name], budget, seed)
        for task in tasks
    )
    records, restored = [], {}
    for name, problem in problems.items():
        rows, pictures = _judge_input(name, problem)
        records += rows
        restored[name, INPUT] = pictures
    for done, (task, (rows, pictures)) in enumerate(
        zip(tasks, results, strict=True), start=1
    ):
        records += rows
        restored[task.degradation_name, task.method] = pictures
        if progress is not None:
            mean = np.mean([row["psnr"] for row in rows])
            progress(
                f"[{done}/{len(tasks)}] {task.degradation_name} · {task.method}: "
                f"{mean:.2f} dB, fitted in {rows[0]['fit_time']:.1f} s"
                + (f" ({rows[0]['note']})" if rows[0]["note"] else "")
            )
    order = [INPUT, *methods]
    records.sort(
        key=lambda r: (list(problems).index(r["degradation"]), order.index(r["method"]))
    )
    n_train = len(next(iter(problems.values())).train[0])
    settings = {
        "Training images": str(n_train),
        "Test images": ", ".join(next(iter(problems.values())).names),
        "Budget": f"{budget:g} s per method and degradation",
        "Seed": str(random_state),
        "Wall time": f"{time.perf_counter() - start:.0f} s",
        "Versions": ", ".join(
            f"{package} {_version(package)}"
            for package in ("skdeconv", "scikit-learn", "torch", "numpy")
        ),
    }
    return Comparison(
        records=records,
        summary=summarise(records, seed),
        examples=_examples(problems, restored, order),
        settings=settings,
    )


def _check_restorers(restorers):
    if not isinstance(restorers, Mapping):
        named = {}
        for entry in restorers:
            estimator = entry[0] if isinstance(entry, tuple) else entry
            named[type(estimator).__name__] = entry
        if len(named) != len(restorers):
            raise ValueError("restorers of the same class need names: pass a mapping.")
        restorers = named
    methods = {}
    for name, entry in restorers.items():
        estimator, grid = entry if isinstance(entry, tuple) else (entry, {})
        if not hasattr(estimator, "fit") or isinstance(estimator, type):
            raise ValueError(
                f"restorers[{name!r}] must be an estimator object or a pair of one and "
                f"a parameter grid, got {estimator!r}."
            )
        methods[str(name)] = (estimator, grid)
    if not methods:
        raise ValueError("restorers must hold at least one estimator, got none.")
    if INPUT in methods:
        raise ValueError(f"the name {INPUT!r} stands for the degraded image.")
    return methods


def _check_metrics(metrics):
    if not isinstance(metrics, Mapping):
        unknown = set(metrics) - set(METRICS)
        if unknown:
            raise ValueError(
                f"metrics must be among {sorted(METRICS)} or a mapping of names to "
                f"callables, got {sorted(unknown)}."
            )
        metrics = {name: METRICS[name] for name in metrics}
    return {"psnr": psnr, **metrics}


def _pose(degradation, images, test_images, names, data_range, metrics, seed):
    degradation = clone(degradation).set_params(random_state=seed)
    degradation._check_steps()
    ndim = degradation._n_spatial()
    clean = check_images(images, ndim=ndim, name="images")
    test = check_images(test_images, ndim=ndim, name="test_images")
    if names is None:
        names = [f"image {i}" for i in range(len(test))]
    if len(names) != len(test):
        raise ValueError(
            f"image_names must name all {len(test)} test images, got {len(names)}."
        )
    return _Problem(
        clean=_as_list(clean),
        train=degradation.pair(_as_list(clean)),
        test=clone(degradation)
        .set_params(random_state=seed + 1000)
        .pair(_as_list(test)),
        names=list(names),
        psf=_whole_psf(degradation),
        data_range=resolve_data_range(data_range, clean),
        metrics=metrics,
    )


def _as_list(batch: ImageBatch):
    return list(batch.data)


def _whole_psf(degradation):
    """The PSF of all blurs in a row, its centre at ``size // 2``."""
    psfs = [step.psf for step in degradation.steps if isinstance(step, Blur)]
    if not psfs:
        return None
    whole, centre = psfs[0], np.array(psfs[0].shape) // 2
    for psf in psfs[1:]:
        whole = np.maximum(convolve(whole, psf), 0)
        centre = centre + np.array(psf.shape) // 2
    late = centre - np.array(whole.shape) // 2
    return np.pad(whole, [(0, 2 * n) for n in late])


def _needs_psf(estimator):
    constraints = getattr(estimator, "_parameter_constraints", {})
    return (
        "psf" in constraints
        and None not in constraints["psf"]
        and estimator.get_params()["psf"] is None
    )


def _prepare(task, problem, seed):
    """Give an estimator what it lacks: PSF, degradation, seed."""
    estimator = clone(task.estimator)
    given = {}
    for name, value in estimator.get_params().items():
        if value is not None:
            continue
        last = name.rpartition("__")[2]
        if last == "psf" and problem.psf is not None:
            given[name] = problem.psf
        elif name == "degradation":
            given[name] = clone(task.degradation).set_params(random_state=None)
        elif last == "random_state":
            given[name] = seed
        elif last == "data_range":
            given[name] = problem.data_range
    return estimator.set_params(**given)


def _run(task, problem, budget, seed):
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
    rows = _judge(task.degradation_name, task.method, problem, restored)
    for row, seconds in zip(rows, times, strict=True):
        row |= {
            "fit_time": fit_time,
            "predict_time": seconds,
            "peak_memory": memory.mebibytes,
            "note": note,
        }
    return rows, restored[:N_EXAMPLES]


def _tune(estimator, grid, problem, start, budget):
    """Try the grid's points in order while the budget lasts; give the best."""
    candidates = list(ParameterGrid(grid)) if grid else [{}]
    if len(candidates) == 1:
        return estimator.set_params(**candidates[0]), _describe(candidates[0])
    teach, judge = _tuning_pairs(
        problem, trained="max_epochs" in estimator.get_params()
    )
    best, best_score, tried = {}, -np.inf, 0
    for candidate in candidates:
        if tried and time.perf_counter() - start > 0.9 * budget:
            break
        model = clone(estimator).set_params(**candidate)
        _fit(model, teach, time.perf_counter(), budget / (len(candidates) + 1))
        score = model.score(*judge)
        tried += 1
        if score > best_score:
            best, best_score = candidate, score
    note = _describe(best)
    if tried < len(candidates):
        note += f" after {tried} of {len(candidates)} candidates"
    return clone(estimator).set_params(**best), note


def _tuning_pairs(problem, *, trained):
    """What a candidate learns from, and the pairs that it is judged on.

    The judges are central crops of a few training images; what is trained must not
    have seen them.
    """
    observed, truth = problem.train
    judges = np.linspace(0, len(truth) - 1, min(TUNING_IMAGES, len(truth))).astype(int)
    judges = sorted(set(judges))
    ndim = 2 if problem.psf is None else problem.psf.ndim
    pairs = tuple(
        [_middle(images[i], ndim) for i in judges] for images in (observed, truth)
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


def _middle(image, ndim):
    sizes = [min(n, TUNING_SIZE) for n in image.shape[:ndim]]
    return image[
        tuple(
            slice((n - size) // 2, (n + size) // 2)
            for n, size in zip(image.shape, sizes, strict=False)
        )
    ]


def _describe(parameters):
    return ", ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in parameters.items()
    )


def _fit(estimator, problem, start, budget):
    params = estimator.get_params()
    if "max_time" in params and params["max_time"] is None:
        left = max(budget - (time.perf_counter() - start), 1e-3)
        estimator.set_params(max_time=left)
    if params.get("degradation") is not None:
        return estimator.fit(problem.clean)
    return estimator.fit(*problem.train)


def _judge_input(name, problem):
    rows = _judge(name, INPUT, problem, problem.test[0])
    for row in rows:
        row |= {"fit_time": 0.0, "predict_time": 0.0, "peak_memory": 0.0, "note": ""}
    return rows, list(problem.test[0])[:N_EXAMPLES]


def _judge(degradation, method, problem, restored):
    observed, truth = problem.test
    scores = {}
    for name, metric in problem.metrics.items():
        scores[name] = _measure(metric, truth, restored, problem.data_range)
    before = psnr(truth, observed, data_range=problem.data_range, reduction="none")
    ndim = 2 if problem.psf is None else problem.psf.ndim
    width = PLAIN_BORDER if problem.psf is None else max(problem.psf.shape) // 2
    return [
        {
            "degradation": degradation,
            "method": method,
            "image": image,
            **{name: float(values[i]) for name, values in scores.items()},
            "gain": float(scores["psnr"][i] - before[i]),
            "border_psnr": _border_psnr(
                truth[i], restored[i], width, ndim, problem.data_range
            ),
        }
        for i, image in enumerate(problem.names)
    ]


def _measure(metric, truth, restored, data_range):
    try:
        return metric(truth, restored, data_range=data_range, reduction="none")
    except ValueError as error:
        warnings.warn(f"a metric is left out: {error}", UserWarning, stacklevel=2)
        return np.full(len(truth), np.nan)


def _border_psnr(truth, restored, width, ndim, data_range):
    """PSNR in a band along the border."""
    band = np.ones(truth.shape[:ndim], dtype=bool)
    band[tuple(slice(width, n - width) for n in band.shape)] = False
    return psnr(truth[band][None], restored[band][None], data_range=data_range)


def _examples(problems, restored, order):
    examples = []
    for name, problem in problems.items():
        truths = list(problem.test[1])[:N_EXAMPLES]
        for i, truth in enumerate(truths):
            place = _interesting_place(truth)
            shown = {"Truth": truth} | {
                method: restored[name, method][i]
                for method in order
                if (name, method) in restored
            }
            for method, image in shown.items():
                if place is None:
                    continue
                pixels = np.clip(image[place] / problem.data_range, 0, 1)
                examples.append(
                    {
                        "degradation": name,
                        "image": problem.names[i],
                        "method": method,
                        "pixels": pixels,
                    }
                )
    return examples


def _interesting_place(truth):
    """The square of most contrast; None for what is not a picture."""
    if truth.ndim not in (2, 3) or (truth.ndim == 3 and truth.shape[2] not in (1, 3)):
        return None
    size = [min(CROP, n) for n in truth.shape[:2]]
    places = [
        (slice(i, i + size[0]), slice(j, j + size[1]))
        for i in range(0, truth.shape[0] - size[0] + 1, max(1, size[0] // 2))
        for j in range(0, truth.shape[1] - size[1] + 1, max(1, size[1] // 2))
    ]
    return max(places, key=lambda place: np.std(truth[place], dtype=np.float64))


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "of the working tree"
