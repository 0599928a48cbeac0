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
        shown = [
            _shown(x, operator, images)
            for x, operator in zip(images.data, operators, strict=True)
        ]
        weights = [w * s for w, s in zip(weights, shown, strict=True)]
        data = [
            _filled(x, w, images) for x, w in zip(images.data, weights, strict=True)
        ]
        levels = [self._level(x, images, w) for x, w in zip(data, weights, strict=True)]
        signs, sizes, nudged = self._nudge(images, data, levels)
        restored, moved = (predict(estimator, v, mask, psf) for v in (X, nudged))
        scores = []
        data_range = fitted_range(estimator) or 1.0
        for x, operator, w, level, sign, size, a, b in zip(
            data,
            operators,
            weights,
            levels,
            signs,
            sizes,
            restored,
            moved,
            strict=True,
        ):
            a, b = (_seen(v, operator, images) + background for v in (a, b))
            frame = _frame(operator, images.ndim, w)
            x, w, sign, a, b = (np.asarray(v, float)[frame] for v in (x, w, sign, a, b))
            freedom = np.mean((sign * (b - a))[w > 0]) / size
            misfit = np.average((x - a) ** 2, weights=w)
            risk = misfit - level**2 + 2 * level**2 * freedom
            least = max(LEAST * level**2, 1e-12 * data_range**2)
            scores.append(-10 * np.log10(max(risk, least) / data_range**2))
        return float(np.mean(scores))

    def _level(self, image, images, weight):
        if self.noise_std is not None:
            return self.noise_std
        x, weight = (_tensor(v, images) for v in (image, weight))
        return float(estimate_noise_std(x, images.ndim, weight=weight))

    def _nudge(self, images, data, levels):
        """Random signs, their size, and the data moved by them, in kind."""
        signs, sizes, nudged = [], [], []
        for image, level in zip(data, levels, strict=True):
            rng = np.random.default_rng(self.random_state)
            planes = image.shape
            if images.has_channels and np.all(image == image[..., :1]):
                planes = (*planes[:-1], 1)  # grey, whose noise is one for all channels
            sign = np.broadcast_to(rng.choice([-1.0, 1.0], planes), image.shape)
            size = max(NUDGE * level, 1e-6 * np.ptp(image), 1e-12)
            if image.dtype.kind in "iu":  # stays what it is, or units would be in doubt
                info = np.iinfo(image.dtype)
                size = max(1.0, np.rint(size))
                moved = np.clip(image + size * sign, info.min, info.max)
                sign = (moved - image) / size
                moved = moved.astype(image.dtype)
            else:
                moved = (image + size * sign).astype(image.dtype)
            signs.append(sign)
            sizes.append(size)
            nudged.append(moved)
        return signs, sizes, np.stack(nudged) if images.container == "stack" else nudged


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
