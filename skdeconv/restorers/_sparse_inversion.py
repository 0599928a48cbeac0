"""Inversion of blurs and operators by few cosine waves, its strength by risk."""

import numpy as np
import torch
from torch import Tensor

from skdeconv.estimation import cross_validate, sparse_alpha
from skdeconv.operators import Blur
from skdeconv.operators._scene import crop
from skdeconv.restorers._blurred_risk import least_blurred_risk
from skdeconv.restorers._inverse import FAR, criteria
from skdeconv.restorers._noise import reliable_noise_std
from skdeconv.restorers._noise_behind import least_noise
from skdeconv.restorers._parts import typical_parts
from skdeconv.restorers._strength import Choice, StrengthMixin, for_copies
from skdeconv.solvers import sparse_deconvolve, sparse_invert

# Iterations that are enough to compare strengths, which differ by so much at first;
# pixels of images that are restored at once.
BRIEF, RATIO, TOGETHER = 30, 2.0, 2**14

# The same for any operator, at first and from one strength to the next.
COLD, WARM = 30, 10

# Under these a blur has an inversion of its own.
BOUNDARIES = ("extended", "periodic")


class SparseInversionMixin(StrengthMixin):
    """Undo a blur or an operator, and choose ``alpha``.

    A class that mixes it in has the parameters ``psf``, ``operator``, ``noise_std``,
    ``max_iter`` and ``tol``.
    """

    _span = (1e-5, 1e-1)
    _of_range = True

    def _solve(self, x, strength, noise_std=None, weight=None) -> Tensor:
        options = {"weight": weight, "max_iter": self.max_iter, "tol": self.tol}
        alpha = strength[:, None] * (self.data_range_ / 2)
        blur = self._plain_blur()
        if blur is None:
            operator = self._operator()
            scene = sparse_invert(x, operator, alpha=alpha, **options).x
            return crop(scene, operator)
        return sparse_deconvolve(x, blur, alpha=alpha, **options).x

    def _plain_blur(self):
        """The blur, if there is nothing else to undo and it has an inversion."""
        blur = self._operator()
        plain = isinstance(blur, Blur) and blur.boundary in BOUNDARIES
        return blur if plain else None

    def _choose(self, x, noise_std=None, weight=None) -> Choice:
        blur = self._plain_blur()
        estimated = noise_std is None and self.noise_std == "auto"
        if blur is None and estimated:
            level = reliable_noise_std(x, weight)
        else:
            level = self._level(x, noise_std, weight)
        if blur is not None and estimated:  # of less, the iterations do not get there
            level = torch.maximum(level, least_noise(x, self.data_range_))
        if blur is None:
            found = self._best_fit(x, level, weight)
        else:
            guess, *_ = sparse_alpha(x, blur.psf, level)
            found = self._least_risk(x, blur, guess, level, weight)
        unit = self.data_range_ / 2
        return Choice(found[0] / unit, found[1] / unit, found[2], criteria(level))

    def _best_fit(self, x, level, weight):
        """Strengths that predict fresh or, at unknown levels, left-out data best."""
        operator = self._operator()
        spread = x.flatten(1).std(1, correction=0)
        rough = torch.where(level.isnan(), spread / 20, level)
        rough = torch.maximum(rough, spread / 1000)
        guess, *_ = sparse_alpha(x, np.ones((1,) * operator.ndim), rough)

        def predict(y, strength, state):
            result = sparse_invert(
                y,
                operator,
                alpha=strength[:, None],
                weight=for_copies(weight, y),
                max_iter=WARM if state else COLD,
                tol=0,
                start=state,
            )
            return operator(result.x), result.state

        return cross_validate(
            predict,
            x,
            guess,
            level=rough,
            noise_std=level,
            weight=weight,
            first=FAR if level.isnan().any() else (1.0,),
        )

    def _least_risk(self, x, blur, guess, level, weight):
        """Strengths near a guess by the expected error of blurred answers."""
        x, weight = typical_parts(x, weight, blur.psf)
        # Large images one by one: what the frame holds of one fills the caches.
        size = max(1, TOGETHER // x[0].numel())
        options = {"max_iter": min(BRIEF, self.max_iter), "tol": 0}

        def restore(y, strength, weight):
            known = torch.ones_like(y) if weight is None else weight
            restored = [
                sparse_deconvolve(
                    part, blur, alpha=alpha[:, None], weight=weight, **options
                ).x
                for part, weight, alpha in zip(
                    *(v.split(size) for v in (y, known, strength)), strict=True
                )
            ]
            return torch.cat(restored)

        return least_blurred_risk(
            restore, x, blur, guess, level, weight, ratio=RATIO, rounds=2
        )

    def _level(self, x, noise_std, weight=None):
        """Noise level per image: given by the caller, known or estimated."""
        if noise_std is None and np.ndim(getattr(self, "noise_std_", [])) == 0:
            noise_std = self.noise_std_
        if noise_std is None:
            return self._automatic_noise_std(x, weight)
        return torch.as_tensor(noise_std, dtype=x.dtype, device=x.device).expand(len(x))
