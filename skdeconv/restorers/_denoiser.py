"""What denoisers share: the noise level, given, measured or estimated."""

from numbers import Real

import torch
from torch import Tensor

from skdeconv._params import Interval, StrOptions
from skdeconv.estimation import estimate_noise_std
from skdeconv.restorers._base import BaseRestorer

NOISE_STD = [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})]


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
            levels = [estimate_noise_std(x, images.ndim) for x in images.tensors()]
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
            noise_std = estimate_noise_std(x, x.ndim - 2)
        level = torch.as_tensor(noise_std, dtype=x.dtype, device=x.device)
        return self._denoise(x, level.expand(len(x)))

    def _denoise(self, x: Tensor, noise_std: Tensor) -> Tensor:
        """Denoise a tensor whose images have these noise levels."""
        raise NotImplementedError
