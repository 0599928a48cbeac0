"""Penalised inversion of a blur or operator, its strength by cross-validation."""

import torch
from torch import Tensor

from skdeconv.estimation import cross_validate, estimate_noise_std
from skdeconv.restorers._base import seen_by
from skdeconv.restorers._strength import Choice, StrengthMixin

# Pixels that the strength is chosen on: the middle of larger images.
SAMPLE = 2**16


class InverseMixin(StrengthMixin):
    """Choose ``alpha``, and cut the frame out of the scene behind a blur.

    A class that mixes it in has the parameters ``psf``, ``operator`` and ``noise_std``
    and implements ``_scene`` and ``_begin``.
    """

    _takes_mask = True
    # Criterion where no noise level is given: "gcv" does without one, "sure" has it
    # estimated, except with an operator, behind which noise cannot be told.
    _blind = "gcv"

    def _scene(
        self, x: Tensor, strength: Tensor, weight: Tensor | None, quick: bool = False
    ) -> Tensor:
        """Answers in the operator's domain; `quick` is enough to compare strengths."""
        raise NotImplementedError

    def _begin(self, level: Tensor, spread: Tensor) -> Tensor:
        """Guess strengths from noise levels and standard deviations of images."""
        raise NotImplementedError

    @property
    def _criterion(self):
        if self.noise_std != "auto":
            return "sure"
        return "gcv" if self.operator is not None else self._blind

    def _solve(self, x, strength, noise_std=None, weight=None) -> Tensor:
        return self._cut(self._scene(x, strength, weight), x.shape[2:])

    def _cut(self, scene, shape):
        """Cut the frame of a spatial shape out of a scene."""
        if self.psf_ is None or self.boundary != "extended":
            return scene
        edges = zip(shape, self._blur().margins, strict=True)
        return scene[(..., *(slice(first, first + n) for n, (first, _) in edges))]

    def _choose(self, x, noise_std=None, weight=None) -> Choice:
        if self.operator is None:
            x, weight = (_middle(v, self.psf_) for v in (x, weight))
        if noise_std is None and self.noise_std != "auto":
            noise_std = self.noise_std
        spread = x.flatten(1).std(1, correction=0)
        if noise_std is not None:
            noise_std = torch.as_tensor(noise_std).to(x).expand(len(x))
        elif self._criterion == "sure":
            noise_std = estimate_noise_std(x, x.ndim - 2, weight=weight)
        level = noise_std
        if noise_std is None and (self.operator is not None or weight is not None):
            level = spread / 20  # what is missing would pass for noise
        elif noise_std is None:
            level = estimate_noise_std(x, x.ndim - 2)
        level = torch.maximum(level, spread / 1000)
        operator = self._operator()
        if self.operator is not None:  # data that see nothing must not count
            weight = seen_by(operator, x) * (1 if weight is None else weight)

        def predict(y, strength):
            weights = weight
            if weight is not None:
                weights = weight.repeat(len(y) // len(x), *(1,) * (x.ndim - 1))
            return operator(self._scene(y, strength, weights, quick=True))

        start = self._begin(level, spread)
        return Choice(
            *cross_validate(
                predict, x, start, level=level, noise_std=noise_std, weight=weight
            )
        )


def _middle(x, psf):
    """Cut out the middle of larger images, not narrower than twice the PSF."""
    if x is None:
        return None
    ndim = x.ndim - 2
    size = round(SAMPLE ** (1 / ndim))
    support = (1,) * ndim if psf is None else psf.shape
    edges = [
        (n, min(n, max(size, 2 * k))) for n, k in zip(x.shape[2:], support, strict=True)
    ]
    return x[(..., *(slice((n - m) // 2, (n + m) // 2) for n, m in edges))]
