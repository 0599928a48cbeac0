"""What denoisers share: the noise level, given, measured or estimated."""

import warnings
from math import prod
from numbers import Real

import torch
from torch import Tensor

from skdeconv._params import Interval, StrOptions
from skdeconv.estimation import estimate_noise_std
from skdeconv.exceptions import NoiseWarning
from skdeconv.restorers._base import BaseRestorer

NOISE_STD = [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})]

# An estimate is doubtful below this reliability. It matters in images of so many
# pixels, smaller ones are never sure, and where it is more than this part of the range.
RELIABLE, PIXELS, NOTABLE = 0.4, 4096, 0.01


def automatic_noise_std(x: Tensor, data_range: float) -> Tensor:
    """Estimate the noise level of each image; warn where it cannot be known."""
    level, reliability = estimate_noise_std(x, x.ndim - 2, return_reliability=True)
    doubtful = (reliability < RELIABLE) & (level > NOTABLE * data_range)
    if x.ndim > 3 and prod(x.shape[2:]) >= PIXELS and doubtful.any():
        warnings.warn(
            "noise_std='auto' is unsure: texture, or too few pixels that are neither "
            "constant nor saturated, leave a doubtful estimate of "
            f"{float(level[doubtful][0]):.3g}. Pass noise_std if you know it.",
            NoiseWarning,
            stacklevel=6,
        )
    return level


class Denoiser(BaseRestorer):
    """A restorer with `noise_std` that resolves to ``noise_std_`` in ``fit``.

    A number is taken as it is. ``"auto"`` takes the root mean square difference of the
    pairs where ``fit`` is given y, else estimates the level of each image, in
    ``predict`` too. A subclass implements ``_denoise``.
    """

    def _fit(self, images, target, weights=None):
        if self.noise_std != "auto":
            self.noise_std_ = float(self.noise_std)
        elif target is None:
            levels = [
                automatic_noise_std(x, self.data_range_) for x in images.tensors()
            ]
            self.noise_std_ = torch.cat(levels).numpy()
        else:
            pairs = zip(images.images(), target.images(images.float_dtype), strict=True)
            errors = [(x - y).square().mean() for x, y in pairs]
            self.noise_std_ = float(torch.stack(errors).mean().sqrt())

    def _restore(
        self,
        x: Tensor,
        noise_std: Tensor | float | None = None,
        weight: Tensor | None = None,
    ) -> Tensor:
        if noise_std is None and isinstance(self.noise_std_, float):
            noise_std = self.noise_std_
        if noise_std is None:
            noise_std = automatic_noise_std(x, self.data_range_)
        level = torch.as_tensor(noise_std, dtype=x.dtype, device=x.device)
        return self._denoise(x, level.expand(len(x)))

    def _denoise(self, x: Tensor, noise_std: Tensor) -> Tensor:
        """Denoise a tensor whose images have these noise levels."""
        raise NotImplementedError
