"""Strengths that choose themselves."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import starmap

import numpy as np
import torch
from torch import Tensor, inference_mode

from skdeconv._ranges import extrema
from skdeconv.metrics._psnr import NO_ERROR, image_psnr
from skdeconv.restorers._memory import Memory
from skdeconv.restorers._noise_behind import check_told_noise

# Pixels of pairs that a strength is sought on; of more, evenly spaced images serve.
MOST_PIXELS = 2**19

# Ratios of neighbouring strengths, from the first look to the last.
COARSE, FINE = 10.0, 1.35

# A loss in decibels after which the first look goes no further, or, if it is less, at
# the second strength in turn.
CLEAR = 1.0


@dataclass(frozen=True)
class Choice:
    """Strengths chosen without the truth.

    Parameters
    ----------
    value : Tensor of shape (batch,)
        The chosen strength of each image.
    values, criterion : Tensor of shape (batch, n_values)
        The strengths that were looked at, ascending, and the criterion there.
    name : ndarray of str of shape (batch,)
        What the criterion is called.
    """

    value: Tensor
    values: Tensor
    criterion: Tensor
    name: np.ndarray


class StrengthMixin:
    """Fit and restore with a strength that is a number or ``"auto"``.

    A class that mixes it in names the parameter by ``_strength``, gives the span in
    which it is sought on pairs by ``_span``, and implements ``_solve`` and ``_choose``.
    With pairs, the strength of the best mean PSNR is kept; without, each image has its
    own, and ``predict`` chooses for images that ``fit`` has not seen.
    """

    _strength = "alpha"
    _span = (1e-6, 1e2)
    # Whether the strength is a part of the range: images that use little of it take
    # a smaller one.
    _of_range = False

    def _solve(
        self, x: Tensor, strength: Tensor, noise_std=None, weight: Tensor | None = None
    ) -> Tensor:
        """Restore with one strength per image, of shape (batch,)."""
        raise NotImplementedError

    def _choose(
        self, x: Tensor, noise_std=None, weight: Tensor | None = None
    ) -> Choice:
        """Choose the strength of each image without the truth."""
        raise NotImplementedError

    def _fit(self, images, target, weights=None):
        value = getattr(self, self._strength)
        self._chosen = Memory(self)
        if value != "auto":
            self._keep(float(value), None, None)
        elif target is not None:
            self._tune(images, target, weights)
        else:
            choices = []
            with inference_mode():
                for x, weight in starmap(self._seen, batches(images, weights)):
                    self._warn_of_ruin(x, weight)
                    choices.append(self._choose(x, weight=weight))
                    self._chosen.keep(x, weight, choices[-1].value.tolist())
            choice = join_choices(choices)
            names = np.unique(choice.name)
            self._keep(
                choice.value.cpu().numpy(),
                str(names[0]) if len(names) == 1 else choice.name,
                {
                    self._strength: choice.values.cpu().numpy(),
                    "criterion": choice.criterion.cpu().numpy(),
                },
            )

    def _restore(self, x, noise_std=None, weight=None) -> Tensor:
        strength = getattr(self, f"{self._strength}_")
        if isinstance(strength, np.ndarray):
            strength = self._own_strengths(x, noise_std, weight)
        else:
            strength = torch.full((len(x),), strength, dtype=x.dtype, device=x.device)
        return self._solve(x, strength, noise_std, weight)

    def _own_strengths(self, x, noise_std, weight) -> Tensor:
        """Strengths of images without the truth, those of ``fit`` where it saw them."""
        if noise_std is not None:  # of the moment
            return self._choose(x, noise_std, weight).value
        self._warn_of_ruin(x, weight)
        values = self._chosen.recall(self, x, weight)
        new = [i for i, value in enumerate(values) if value is None]
        if new:
            others = None if weight is None else weight[new]
            chosen = self._choose(x[new], weight=others).value
            for i, value in zip(new, chosen.tolist(), strict=True):
                values[i] = value
        return torch.as_tensor(values, dtype=x.dtype, device=x.device)

    def _warn_of_ruin(self, x, weight=None):
        """Warn of what misleads the choice and ruins the answer."""
        self._warn_of_outliers(x, weight)
        # A level from elsewhere was estimated, and judged then.
        check_told_noise(self.noise_std, self.psf_, x, self.data_range_, weight)

    def _tune(self, images, target, weights):
        """Find the strength of the best score: by decades, then ever closer."""
        sizes = [np.prod(shape) for shape in images.shapes]
        n_used = max(1, min(len(images), int(MOST_PIXELS / np.mean(sizes))))
        used = np.linspace(0, len(images) - 1, n_used).round().astype(int)
        images, target = images.select(used), target.select(used)
        weights = None if weights is None else weights.select(used)

        @lru_cache
        def score(exponent):
            self._keep(float(10.0**exponent), None, None)
            restored = images.map(self._restore_chunk, self._compute_dtype, weights)
            scores = image_psnr(target.data, restored, self.data_range_, NO_ERROR)
            return float(scores.mean())

        low, high = np.log10(self._span) + self._decades_below(target)
        step = np.log10(COARSE)
        seen = _outwards(score, np.arange(low, high + step / 2, step))
        while True:
            best = max(seen, key=score)
            if step <= np.log10(FINE):
                break
            step /= 2
            seen += [e for e in (best - step, best + step) if low <= e <= high]
        seen.sort()
        path = {
            self._strength: 10.0 ** np.array([seen]),
            "criterion": np.array([[score(e) for e in seen]]),
        }
        self._keep(float(10.0**best), "psnr", path)

    def _decades_below(self, target):
        """Decades by which what images span falls short of the range."""
        least, most = extrema(target)
        if not self._of_range or most == least:
            return 0
        return min(0.0, np.round(np.log10((most - least) / self.data_range_)))

    def _keep(self, value, criterion, path):
        setattr(self, f"{self._strength}_", value)
        self.criterion_ = criterion
        self.path_ = path


def _outwards(score, grid):
    """What was looked at from the middle to both sides, as long as it may get better.

    The ends of the grid are where restoring takes longest.
    """
    middle = len(grid) // 2
    seen = [grid[middle]]
    for side in (grid[middle + 1 :], grid[:middle][::-1]):
        best, worse = score(grid[middle]), 0
        for exponent in side:
            seen.append(exponent)
            loss = best - score(exponent)
            worse = worse + 1 if loss > 0 else 0
            if loss > CLEAR or worse == 2:
                break
            best = max(best, score(exponent))
    return seen


def batches(images, weights, dtype=None):
    """Tensors of images and of their weights, which may be None."""
    if weights is None:
        return ((x, None) for x in images.tensors(dtype))
    pairs = (images.tensors(dtype), weights.tensors(dtype or images.float_dtype))
    return zip(*pairs, strict=True)


def for_copies(weight: Tensor | None, y: Tensor) -> Tensor | None:
    """Weights of images for copies of them all, one after the other."""
    if weight is None:
        return None
    return weight.repeat(len(y) // len(weight), *(1,) * (y.ndim - 1))


def stack_rows(parts):
    """Stack curves of chunks, which may differ in their number of values."""
    n = max(part.shape[1] for part in parts)
    padded = [
        torch.nn.functional.pad(part, (0, n - part.shape[1]), value=float("nan"))
        for part in parts
    ]
    return torch.cat(padded)


def join_choices(choices: list[Choice]) -> Choice:
    """The choices for images of several chunks as those of one."""
    return Choice(
        torch.cat([choice.value for choice in choices]),
        stack_rows([choice.values for choice in choices]),
        stack_rows([choice.criterion for choice in choices]),
        np.concatenate([choice.name for choice in choices]),
    )
