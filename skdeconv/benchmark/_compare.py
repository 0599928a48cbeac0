"""Restorers against each other: same data, same budget, real borders."""

import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.utils import check_random_state

from skdeconv._images import Images
from skdeconv.benchmark._comparison import INPUT, Comparison, summarise
from skdeconv.benchmark._problem import judge_input, pose
from skdeconv.benchmark._run import Task, run, suits
from skdeconv.degradations import Degradation
from skdeconv.metrics import psnr, ssim

METRICS = {"psnr": psnr, "ssim": ssim}
CROP = 128
N_EXAMPLES = 3


def compare(
    restorers: Mapping[str, Any] | Sequence[Any],
    degradations: Mapping[str, Degradation],
    images: Images,
    *,
    test_images: Images,
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
        estimator that cannot do without a PSF is left out where there is none, and one
        that estimates the noise and only denoises where there is a blur.
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
    named = isinstance(degradations, Mapping) and len(degradations) > 0
    if not named or not all(isinstance(d, Degradation) for d in degradations.values()):
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
        name: pose(
            degradation, images, test_images, image_names, data_range, metrics, seed + i
        )
        for i, (name, degradation) in enumerate(degradations.items())
    }
    tasks = [
        Task(name, degradation, method, estimator, grid)
        for name, degradation in degradations.items()
        for method, (estimator, grid) in methods.items()
        if suits(estimator, problems[name].psf)
    ]
    start = time.perf_counter()
    results = Parallel(n_jobs=n_jobs or 1, return_as="generator")(
        delayed(run)(task, problems[task.degradation_name], budget, seed)
        for task in tasks
    )
    records, restored = [], {}
    for name, problem in problems.items():
        rows, pictures = judge_input(name, problem)
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
