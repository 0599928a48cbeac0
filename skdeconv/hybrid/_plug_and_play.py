"""Restoration of anything with a denoiser as the prior."""

import warnings
from itertools import cycle, islice
from numbers import Integral

import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from torch import Tensor

from skdeconv._params import Interval, StrOptions
from skdeconv.hybrid._denoisers import (
    default_denoiser,
    denoised,
    fitted_denoiser,
    is_trained,
)
from skdeconv.neural._ensembles import turns
from skdeconv.operators import LinearOperator
from skdeconv.operators._blur import BOUNDARIES
from skdeconv.operators._scene import crop
from skdeconv.restorers._base import DATA_RANGE, NDIM, OPERATOR, PSF, BaseRestorer
from skdeconv.restorers._denoiser import Denoiser
from skdeconv.restorers._noise import NOISE_STD
from skdeconv.restorers._outliers import warn_of_outliers
from skdeconv.restorers._varying_psf import VaryingPSFMixin
from skdeconv.solvers import plug_and_play

# Level that the denoiser is told first, and the least noise that is believed, as parts
# of the range.
FIRST, LEAST = 49 / 255, 1e-3


class PlugAndPlayRestorer(VaryingPSFMixin, Denoiser):
    _parameter_constraints: dict = {
        "psf": PSF,
        "operator": OPERATOR,
        "denoiser": [BaseRestorer, FrozenEstimator, None],
        "noise_std": NOISE_STD,
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "boundary": [StrOptions(set(BOUNDARIES))],
        "ndim": NDIM,
        "data_range": DATA_RANGE,
        "clip": ["boolean"],
    }
    _takes_mask = True

    def __init__(
        self,
        psf: ArrayLike | None = None,
        operator: LinearOperator | None = None,
        *,
        denoiser: BaseEstimator | None = None,
        noise_std: float | str = "auto",
        max_iter: int = 8,
        boundary: str = "extended",
        ndim: int = 2,
        data_range: float | None = None,
        clip: bool = False,
    ):
        self.psf = psf
        self.operator = operator
        self.denoiser = denoiser
        self.noise_std = noise_std
        self.max_iter = max_iter
        self.boundary = boundary
        self.ndim = ndim
        self.data_range = data_range
        self.clip = clip

    def __sklearn_clone__(self):
        twin = super().__sklearn_clone__()
        if is_trained(self.denoiser):  # whose weights would be lost
            twin.denoiser = self.denoiser
        return twin

    def _fit(self, images, target, weights=None):
        self.n_iter_ = self.max_iter
        self.denoiser_ = fitted_denoiser(
            self.denoiser, images, target, self.data_range_
        )
        super()._fit(images, target, weights)

    @property
    def _compute_dtype(self):
        return self.denoiser_._compute_dtype

    @property
    def _output_dtypes(self):
        denoiser = self.denoiser or default_denoiser()
        return getattr(denoiser, "estimator", denoiser)._output_dtypes

    def _denoise(self, x: Tensor, noise_std: Tensor, weight=None) -> Tensor:
        warn_of_outliers(x, self.psf_, self.data_range_, weight)
        operator = self._operator()
        noise_std = noise_std.clamp_min(LEAST * self.data_range_)
        views = list(islice(cycle(turns(x.ndim - 2)), self.max_iter))

        def denoise(scene, level, k):
            turn, turn_back = views[k]
            answer = denoised(self.denoiser_, turn(scene), level, self.data_range_)
            return turn_back(answer)

        result = plug_and_play(
            x,
            operator,
            denoise,
            noise_std=noise_std,
            levels=self._levels(noise_std),
            weight=weight,
        )
        if not result.converged.all():
            warnings.warn(
                f"{type(self.denoiser_).__name__} changed an image by more than four "
                "times the noise level that it was told, or to what is not finite; its "
                "changes were limited. Another denoiser may help.",
                ConvergenceWarning,
                stacklevel=7,
            )
        return crop(result.x, operator)

    def _levels(self, noise_std: Tensor) -> Tensor:
        """Noise levels of the turns, equally far apart in decibels."""
        first = noise_std.clamp_min(FIRST * self.data_range_)
        place = torch.linspace(0, 1, self.n_iter_).to(noise_std)
        return first[:, None] * (noise_std / first)[:, None] ** place
