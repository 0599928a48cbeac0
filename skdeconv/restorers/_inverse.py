"""Penalised inversion of a blur or operator, its strength by cross-validation."""

import numpy as np
import torch
from torch import Tensor

from skdeconv.estimation import cross_validate, estimate_noise_std
from skdeconv.operators._scene import crop, mirrored_outside
from skdeconv.restorers._blurred_risk import counted_pixels
from skdeconv.restorers._noise import reliable_noise_std
from skdeconv.restorers._noise_behind import (
    least_noise,
    noise_behind,
    warn_of_misfit,
)
from skdeconv.restorers._parts import typical_parts
from skdeconv.restorers._strength import Choice, StrengthMixin, for_copies
from skdeconv.solvers import SolverResult

# Multiples of a first guess without a noise level that are looked at first.
FAR = (1 / 16, 1 / 4, 1.0, 4.0, 16.0, 64.0)


class InverseMixin(StrengthMixin):
    """Choose ``alpha``, and cut the image out of the scene behind it.

    A class that mixes it in has the parameters ``psf``, ``operator`` and ``noise_std``
    and implements ``_scene`` and ``_begin``.
    """

    _takes_mask = True
    # Criterion where no noise level is given: "gcv" does without one, "sure" has it
    # estimated, except with an operator, behind which noise cannot be told.
    _blind = "gcv"
    # Whether noise behind a blur counts as at least what rounding makes.
    _rounded = False

    def _scene(
        self,
        x: Tensor,
        strength: Tensor,
        weight: Tensor | None,
        start: tuple[Tensor, ...] | None = None,
    ) -> SolverResult:
        """Answer in the operator's domain.

        With a `start`, the state of an answer at another strength or nothing, it is no
        better than is enough to compare strengths.
        """
        raise NotImplementedError

    def _begin(self, level: Tensor, spread: Tensor) -> Tensor:
        """Guess strengths from noise levels and standard deviations of images."""
        raise NotImplementedError

    @property
    def _criterion(self):
        if self.noise_std != "auto":
            return "sure"
        return "gcv" if self._beyond_blur is not None else self._blind

    def _solve(self, x, strength, noise_std=None, weight=None) -> Tensor:
        return crop(self._scene(x, strength, weight).x, self._operator())

    def _choose(self, x, noise_std=None, weight=None) -> Choice:
        beyond = self._beyond_blur is not None
        if noise_std is None and self._criterion == "gcv" and not beyond:
            noise_std = self._hidden_noise(x, weight)
        dtype = x.dtype
        if not beyond and not getattr(self, "nonnegative", False):
            x = x - x.mean(tuple(range(2, x.ndim)), keepdim=True)  # for want of digits
        x = x.float()  # is enough to compare strengths
        weight = None if weight is None else weight.float()
        if not beyond:
            x, weight = typical_parts(x, weight, self.psf_)
        spread = x.flatten(1).std(1, correction=0)
        noise_std, level = self._levels(x, spread, noise_std, weight)
        operator = self._operator()
        blind = (beyond or weight is not None) and noise_std.isnan().any()

        predicted, counted = operator, weight
        if self.psf_ is not None:  # what lies beyond the frame may fit its edge at will
            mirrored = mirrored_outside(operator)
            counted = counted_pixels(x, operator, weight)

            def predicted(scene):
                return mirrored(crop(scene, operator))

        def predict(y, strength, state):
            result = self._scene(y, strength, for_copies(weight, y), state)
            return predicted(result.x), result.state

        found = cross_validate(
            predict,
            x,
            self._begin(level, spread),
            level=level,
            noise_std=noise_std,
            weight=counted,
            first=FAR if blind else (1.0,),
        )
        return Choice(*(part.to(dtype) for part in found), criteria(noise_std))

    def _hidden_noise(self, x, weight):
        """Levels of noise that cross-validation would take for structure, else NaN."""
        noise = noise_behind(self.psf_, x, self.data_range_, weight)
        warn_of_misfit(noise.unexplained)
        rounded = self._rounded and self.psf_ is not None
        least = rounded * least_noise(x, self.data_range_)
        plain = noise.plain & (noise.level >= least)
        return torch.where(plain, torch.nan, torch.maximum(noise.total, least))

    def _levels(self, x, spread, noise_std, weight):
        """Noise levels if the criterion needs them, else NaN, and rough ones."""
        if noise_std is None and self._criterion == "sure":
            noise_std = self.noise_std
            if noise_std == "auto" and weight is not None and self.psf_ is None:
                noise_std = reliable_noise_std(x, weight)
            elif noise_std == "auto":
                noise_std = self._automatic_noise_std(x, weight)
        noise_std = torch.as_tensor(torch.nan if noise_std is None else noise_std)
        noise_std = noise_std.to(x).expand(len(x))
        level, unknown = noise_std, noise_std.isnan()
        if unknown.any():
            # Behind an operator what is missing would pass for noise.
            known = self._beyond_blur is None and weight is None
            rough = estimate_noise_std(x, x.ndim - 2) if known else spread / 20
            level = torch.where(unknown, rough, noise_std)
        return noise_std, torch.maximum(level, spread / 1000)


def criteria(noise_std: Tensor) -> np.ndarray:
    """Names of what chooses strengths at known noise levels, and where they are NaN."""
    return np.where(noise_std.isnan().cpu().numpy(), "gcv", "sure")
