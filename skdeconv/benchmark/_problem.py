"""One degradation as a problem that every method is given, and its judges."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from scipy.signal import convolve
from sklearn.base import clone

from skdeconv._images import check_images
from skdeconv._ranges import resolve_data_range
from skdeconv._warnings import warn_caller
from skdeconv.benchmark._comparison import INPUT
from skdeconv.metrics import psnr, ssim
from skdeconv.metrics._psnr import image_psnr
from skdeconv.operators import Blur

# Width of the border band where there is no PSF to give its radius.
PLAIN_BORDER = 8


@dataclass
class Problem:
    """What every method of one degradation is given."""

    clean: Any
    train: tuple[Any, Any]
    test: tuple[Any, Any]
    names: list[str]
    psf: np.ndarray | None
    ndim: int
    data_range: float
    metrics: dict[str, Callable] = field(default_factory=dict)


def pose(degradation, images, test_images, names, data_range, metrics, seed):
    """Degrade training and test images, each with noise of its own."""
    degradation = clone(degradation).set_params(random_state=seed)
    degradation._check_steps()
    if degradation._factor() != 1:
        raise ValueError(
            "degradations must keep the size of the images, which methods are compared "
            f"pixel by pixel with; got {degradation!r}."
        )
    ndim = degradation._n_spatial()
    clean = check_images(images, ndim=ndim, name="images")
    test = check_images(test_images, ndim=ndim, name="test_images")
    if names is None:
        names = [f"image {i}" for i in range(len(test))]
    if len(names) != len(test):
        raise ValueError(
            f"image_names must name all {len(test)} test images, got {len(names)}."
        )
    return Problem(
        clean=list(clean.data),
        train=degradation.pair(list(clean.data)),
        test=clone(degradation)
        .set_params(random_state=seed + 1000)
        .pair(list(test.data)),
        names=list(names),
        psf=whole_psf(degradation),
        ndim=ndim,
        data_range=resolve_data_range(data_range, clean),
        metrics=metrics,
    )


def whole_psf(degradation):
    """The PSF of all blurs in a row, its centre at ``size // 2``."""
    psfs = [step.psf for step in degradation._parts() if isinstance(step, Blur)]
    if not psfs:
        return None
    whole, centre = psfs[0], np.array(psfs[0].shape) // 2
    for psf in psfs[1:]:
        whole = np.maximum(convolve(whole, psf), 0)
        centre = centre + np.array(psf.shape) // 2
    late = centre - np.array(whole.shape) // 2
    return np.pad(whole, [(0, 2 * n) for n in late])


def judge_input(name, problem):
    """Give the records of the degraded images themselves, and these images."""
    rows = judge(name, INPUT, problem, problem.test[0])
    for row in rows:
        row |= {"fit_time": 0.0, "predict_time": 0.0, "peak_memory": 0.0, "note": ""}
    return rows, list(problem.test[0])


def judge(degradation, method, problem, restored):
    """Give a record per test image."""
    observed, truth = problem.test
    scores = {}
    for name, metric in problem.metrics.items():
        if metric in (psnr, ssim):
            metric = partial(metric, ndim=problem.ndim)
        scores[name] = _measure(metric, truth, restored, problem.data_range)
    before = image_psnr(truth, observed, problem.data_range)
    width = PLAIN_BORDER
    if problem.psf is not None:
        width = max(1, max(problem.psf.shape) // 2)
    return [
        {
            "degradation": degradation,
            "method": method,
            "image": image,
            **{name: float(values[i]) for name, values in scores.items()},
            "gain": float(scores["psnr"][i] - before[i]),
            "border_psnr": _border_psnr(
                truth[i], restored[i], width, problem.ndim, problem.data_range
            ),
        }
        for i, image in enumerate(problem.names)
    ]


def _measure(metric, truth, restored, data_range):
    try:
        return metric(truth, restored, data_range=data_range, reduction="none")
    except ValueError as error:
        warn_caller(f"a metric is left out: {error}", UserWarning)
        return np.full(len(truth), np.nan)


def _border_psnr(truth, restored, width, ndim, data_range):
    """PSNR in a band along the border."""
    band = np.ones(truth.shape[:ndim], dtype=bool)
    band[tuple(slice(width, n - width) for n in band.shape)] = False
    return float(image_psnr([truth[band]], [restored[band]], data_range)[0])
