"""A score that needs no truth."""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

import numpy as np

from skdeconv._companions import check_mask
from skdeconv._images import check_images, to_array, to_tensor
from skdeconv.estimation._noise import estimate_noise_std
from skdeconv.metrics._scorers import (
    RoutedScorer,
    fitted_range,
    last_steps,
    predict,
)
from skdeconv.operators import Blur, LinearOperator
from skdeconv.operators._filling import fill_in, seen_by
from skdeconv.operators._scene import mirrored_outside

# Nudges of the data, against the noise, by which degrees of freedom are measured.
NUDGE = 0.3

# A negative estimate of a risk counts as this part of the variance of the noise.
LEAST = 1e-3


@dataclass(frozen=True)
class _RiskScorer(RoutedScorer):
    """Score an estimator by how well it would predict data without noise."""

    noise_std: float | None = None
    random_state: int = 0

    def __call__(self, estimator, X, y=None, mask=None, psf=None):
        steps = last_steps(estimator)
        ndim = next((s._n_spatial() for s in steps if hasattr(s, "_n_spatial")), 2)
        images = check_images(X, ndim=ndim)
        if images.range_kind == "bool":
            raise ValueError(
                "X must have intensities that can be nudged for an estimate of the "
                "risk, got bool."
            )
        ones = [np.ones(shape) for shape in images.shapes]
        weights = check_mask(ones if mask is None else mask, images).data
        operators, background = _model(steps, psf, len(images))
        trials = [
            self._trial(*one, images)
            for one in zip(images.data, weights, operators, strict=True)
        ]
        nudged = [trial.nudged for trial in trials]
        if images.container == "stack":
            nudged = np.stack(nudged)
        answers = (predict(estimator, v, mask, psf) for v in (X, nudged))
        data_range = fitted_range(estimator) or 1.0
        scores = [
            trial.score(
                *(_seen(v, trial.operator, images) + background for v in pair),
                images.ndim,
                data_range,
            )
            for trial, *pair in zip(trials, *answers, strict=True)
        ]
        return float(np.mean(scores))

    def _trial(self, image, weight, operator, images):
        """Nudge an image, along random signs."""
        weight = weight * _shown(image, operator, images)
        data = _filled(image, weight, images)
        level = self.noise_std
        if level is None:
            x, known = (_tensor(v, images) for v in (data, weight))
            level = float(estimate_noise_std(x, images.ndim, weight=known))
        rng = np.random.default_rng(self.random_state)
        planes = data.shape
        if images.has_channels and np.all(data == data[..., :1]):
            planes = (*planes[:-1], 1)  # grey, whose noise is one for all channels
        sign = np.broadcast_to(rng.choice([-1.0, 1.0], planes), data.shape)
        size = max(NUDGE * level, 1e-6 * np.ptp(data), 1e-12)
        if data.dtype.kind in "iu":  # stays what it is, or units would be in doubt
            info = np.iinfo(data.dtype)
            moved = data + max(1.0, np.rint(size)) * sign
            nudged = np.clip(moved, info.min, info.max).astype(data.dtype)
            step = nudged - np.asarray(data, float)
        else:
            nudged, step = (data + size * sign).astype(data.dtype), size * sign
        return _Trial(data, weight, operator, level, step, nudged)


@dataclass(frozen=True)
class _Trial:
    """An image, what is known of it, and a copy that is nudged by so much."""

    data: np.ndarray
    weight: np.ndarray
    operator: LinearOperator | None
    level: float
    step: np.ndarray
    nudged: np.ndarray

    def score(self, answer, moved, ndim, data_range):
        """Decibels of the risk of an answer, given that to the nudged data, too."""
        frame = _frame(self.operator, ndim, self.weight)
        arrays = (self.data, self.weight, self.step, answer, moved)
        x, w, step, a, b = (np.asarray(v, float)[frame] for v in arrays)
        known = w > 0
        size = np.abs(self.step).max()
        freedom = np.mean((step * (b - a))[known]) / size**2
        misfit = np.average((x - a) ** 2, weights=w)
        risk = misfit - self.level**2 + 2 * self.level**2 * freedom
        least = max(LEAST * self.level**2, 1e-12 * data_range**2)
        return -10 * np.log10(max(risk, least) / data_range**2)


def _model(steps, psf, n_images) -> tuple[list[LinearOperator | None], float]:
    """What data are of the truth: operators and background of the first who knows."""
    for step in reversed(steps):
        if getattr(step, "operator", None) is not None:
            return [mirrored_outside(step.operator)] * n_images, 0.0
        if getattr(step, "psf_", None) is not None:
            psfs = [step.psf_] * n_images
            if psf is not None:
                psfs = step._check_psfs(psf, n_images)
            blurs = [Blur.unchecked(one, "reflect") for one in psfs]
            return blurs, float(getattr(step, "background", 0.0))
    return [None] * n_images, 0.0


def _shown(image, operator, images):
    """Whether the operator lets pixels tell of the truth."""
    if operator is None:
        return 1.0
    return _array(seen_by(operator, _tensor(image, images)), images)


def _filled(image, weight, images):
    """The image where its pixels count, and what is harmless elsewhere, in kind."""
    if np.all(weight > 0):
        return np.asarray(image)
    filled = fill_in(_tensor(image, images), _tensor(weight, images) > 0)
    filled = _array(filled, images)
    if image.dtype.kind in "iu":
        filled = np.rint(filled)
    return np.where(weight > 0, image, filled).astype(image.dtype)


def _tensor(image, images):
    return to_tensor(np.asarray(image)[None], images.has_channels, np.float64)


def _array(tensor, images):
    return to_array(tensor, images.has_channels)[0]


def _seen(image, operator, images):
    if operator is None:
        return image
    return _array(operator(_tensor(image, images)), images)


def _frame(operator, ndim, weight):
    """Where no border of a blur is seen, if there is such a place."""
    whole = (slice(None),) * ndim
    if not isinstance(operator, Blur):
        return whole
    edges = zip(weight.shape, operator.margins, strict=False)
    inside = tuple(slice(a, max(a, n - b)) for n, (a, b) in edges)
    return inside if np.any(weight[inside]) else whole


def make_risk_scorer(noise_std: float | None = None) -> Callable:
    r"""Make a scorer that needs no truth: Stein's unbiased risk, in decibels.

    It estimates how far the restored image, seen through the estimator's own blur or
    operator, is from data without noise,

    .. math:: \|A \hat x - y\|^2 / n - \sigma^2 + 2 \sigma^2 \,
        \mathrm{tr}(\partial A \hat x / \partial y) / n,

    with the trace measured by nudging the data along random signs [1]_, and gives it as
    a PSNR. With a blur this favours answers that explain the data, somewhat sharper
    than the best ones.

    Parameters
    ----------
    noise_std : float or None, default=None
        Standard deviation of the noise, in the units of X; None estimates it for each
        image.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y=None, mask=None, psf=None)`` gives decibels; for the
        `scoring` of ``GridSearchCV`` and its kin, whose ``fit`` then needs no y. They
        route a `mask` to it if ``enable_metadata_routing`` is on, and after
        ``scorer.set_score_request(psf=True)`` PSFs. Pixels count by weight.

    Raises
    ------
    ValueError
        If `noise_std` is negative or no number; when called, for images of bool.

    See Also
    --------
    skdeconv.metrics.make_psnr_scorer : Where the truth is known.

    Notes
    -----
    Each call restores the images twice.

    References
    ----------
    .. [1] S. Ramani, T. Blu and M. Unser, "Monte-Carlo SURE: a black-box optimization
       of regularization parameters for general denoising algorithms", IEEE
       Transactions on Image Processing 17(9), 2008. :doi:`10.1109/TIP.2008.2001404`

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skdeconv import Degradation, WienerRestorer
    >>> from skdeconv.datasets import make_dead_leaves
    >>> from skdeconv.degradations import GaussianNoise
    >>> from skdeconv.estimation import make_risk_scorer
    >>> degrade = Degradation([GaussianNoise(0.1)], random_state=0)
    >>> noisy, _ = degrade.pair(make_dead_leaves(4, shape=(64, 64), random_state=0))
    >>> grid = {"alpha": [0.01, 0.3, 100.0]}
    >>> search = GridSearchCV(WienerRestorer(), grid, scoring=make_risk_scorer(), cv=2)
    >>> search.fit(noisy).best_params_
    {'alpha': 0.3}
    """
    known = isinstance(noise_std, Real) and not isinstance(noise_std, bool)
    if noise_std is not None and not (known and 0 <= noise_std < np.inf):
        raise ValueError(
            f"noise_std must be a non-negative number or None, got {noise_std!r}."
        )
    return _RiskScorer(noise_std)


risk_scorer = make_risk_scorer()
