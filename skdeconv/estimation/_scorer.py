"""A score that needs no truth."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np
import torch

from skdeconv._images import check_images
from skdeconv.estimation._noise import estimate_noise_std
from skdeconv.metrics._scorers import fitted_range, last_steps
from skdeconv.operators import Blur, LinearOperator

# Nudges of the data, against the noise, by which degrees of freedom are measured.
NUDGE = 0.3

# A negative estimate of a risk counts as this part of the variance of the noise.
LEAST = 1e-3


@dataclass(frozen=True)
class _RiskScorer:
    """Score an estimator by how well it would predict data without noise."""

    noise_std: float | None = None
    random_state: int = 0

    def __call__(self, estimator, X, y=None):
        steps = last_steps(estimator)
        ndim = next((s._n_spatial() for s in steps if hasattr(s, "_n_spatial")), 2)
        images = check_images(X, ndim=ndim)
        operator = _operator(steps)
        restored = estimator.predict(X)
        signs, sizes, nudged = self._nudge(images)
        moved = estimator.predict(nudged)
        scores = []
        data_range = fitted_range(estimator) or 1.0
        for x, sign, size, a, b in zip(
            images.data, signs, sizes, restored, moved, strict=True
        ):
            level = self._level(x, images)
            a, b = (_seen(v, operator, images) for v in (a, b))
            frame = _frame(operator, images.ndim, a.shape)
            x, sign, a, b = (np.asarray(v, float)[frame] for v in (x, sign, a, b))
            freedom = np.mean(sign * (b - a)) / size
            risk = np.mean((x - a) ** 2) - level**2 + 2 * level**2 * freedom
            least = max(LEAST * level**2, 1e-12 * data_range**2)
            scores.append(-10 * np.log10(max(risk, least) / data_range**2))
        return float(np.mean(scores))

    def _level(self, image, images):
        if self.noise_std is not None:
            return self.noise_std
        tensor = torch.from_numpy(np.array(image, dtype=np.float64))
        tensor = tensor.movedim(-1, 0) if images.has_channels else tensor[None]
        return float(estimate_noise_std(tensor[None], images.ndim))

    def _nudge(self, images):
        """Random signs, their size, and the data moved by them, in kind."""
        rng = np.random.default_rng(self.random_state)
        signs, sizes, nudged = [], [], []
        for image in images.data:
            sign = rng.choice([-1.0, 1.0], image.shape)
            size = max(NUDGE * self._level(image, images), 1e-6 * np.ptp(image), 1e-12)
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


def _operator(steps) -> LinearOperator | None:
    """What the data are of the truth: the operator or blur of the first who knows."""
    for step in reversed(steps):
        if getattr(step, "operator", None) is not None:
            return step.operator
        if getattr(step, "psf_", None) is not None:
            return Blur.unchecked(step.psf_, "reflect")
    return None


def _seen(image, operator, images):
    if operator is None:
        return image
    tensor = torch.from_numpy(np.array(image, dtype=np.float64))
    tensor = tensor.movedim(-1, 0) if images.has_channels else tensor[None]
    seen = operator(tensor[None])[0]
    return (seen.movedim(0, -1) if images.has_channels else seen[0]).numpy()


def _frame(operator, ndim, shape):
    """Where no border of a blur is seen, if there is such a place."""
    if not isinstance(operator, Blur):
        return (slice(None),) * ndim
    edges = list(zip(shape, operator.margins, strict=False))
    if prod(n - a - b if n > a + b else 0 for n, (a, b) in edges) == 0:
        return (slice(None),) * ndim
    return tuple(slice(a, n - b) for n, (a, b) in edges)


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
        ``scorer(estimator, X, y=None)`` gives decibels; for the `scoring` of
        ``GridSearchCV`` and its kin, whose ``fit`` then needs no y.

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
    return _RiskScorer(noise_std)


risk_scorer = make_risk_scorer()
