"""Penalised inversion of a blur or operator, its strength by cross-validation."""

import numpy as np
import torch
from torch import Tensor

from skdeconv.estimation import cross_validate, estimate_noise_std
from skdeconv.operators._scene import crop
from skdeconv.restorers._noise_behind import (
    least_noise,
    noise_behind,
    warn_of_misfit,
)
from skdeconv.restorers._parts import typical_parts
from skdeconv.restorers._strength import Choice, StrengthMixin, join_choices
from skdeconv.solvers import SolverResult


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
        return "gcv" if self.operator is not None else self._blind

    def _solve(self, x, strength, noise_std=None, weight=None) -> Tensor:
        return crop(self._scene(x, strength, weight).x, self._operator())

    def _choose(self, x, noise_std=None, weight=None) -> Choice:
        level = None
        if noise_std is None and self._criterion == "gcv" and self.operator is None:
            level = self._hidden_noise(x, weight)
        if level is None:
            return self._choose_together(x, noise_std, weight)
        choices = []
        for i, known in enumerate(level.isfinite()):
            part = None if weight is None else weight[i : i + 1]
            told = level[i : i + 1] if known else None
            choices.append(self._choose_together(x[i : i + 1], told, part))
        return join_choices(choices)

    def _hidden_noise(self, x, weight):
        """Levels of noise that cross-validation would take for structure, else NaN."""
        if self.psf_ is None:
            return None
        noise = noise_behind(self.psf_, x, self.data_range_, weight)
        warn_of_misfit(noise.unexplained)
        least = self._rounded * least_noise(x, self.data_range_)
        plain = noise.plain & (noise.level >= least)
        if plain.all():
            return None
        return torch.where(plain, torch.nan, torch.maximum(noise.total, least))

    def _choose_together(self, x, noise_std, weight) -> Choice:
        dtype, x = x.dtype, x.float()  # is enough to compare strengths
        weight = None if weight is None else weight.float()
        if self.operator is None:
            x, weight = typical_parts(x, weight, self.psf_)
        spread = x.flatten(1).std(1, correction=0)
        noise_std, level = self._levels(x, spread, noise_std, weight)
        operator = self._operator()

        def predict(y, strength, state):
            weights = weight
            if weight is not None:
                weights = weight.repeat(len(y) // len(x), *(1,) * (x.ndim - 1))
            result = self._scene(y, strength, weights, state)
            return operator(result.x), result.state

        start = self._begin(level, spread)
        found = cross_validate(
            predict, x, start, level=level, noise_std=noise_std, weight=weight
        )
        name = "gcv" if noise_std is None else "sure"
        return Choice(*(part.to(dtype) for part in found), np.full(len(x), name))

    def _levels(self, x, spread, noise_std, weight):
        """Noise levels if the criterion needs them, and rough ones in any case."""
        if noise_std is None and self.noise_std != "auto":
            noise_std = self.noise_std
        if noise_std is not None:
            noise_std = torch.as_tensor(noise_std).to(x).expand(len(x))
        elif self._criterion == "sure":
            noise_std = self._automatic_noise_std(x, weight)
        level = noise_std
        if noise_std is None and (self.operator is not None or weight is not None):
            level = spread / 20  # what is missing would pass for noise
        elif noise_std is None:
            level = estimate_noise_std(x, x.ndim - 2)
        return noise_std, torch.maximum(level, spread / 1000)
