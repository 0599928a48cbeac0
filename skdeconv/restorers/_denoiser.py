"""What denoisers share: the noise level, given, measured or estimated."""

import torch
from torch import Tensor

from skdeconv._params import given
from skdeconv.restorers._base import BaseRestorer
from skdeconv.restorers._noise import (
    automatic_noise,
    denoise_stabilised,
    pair_noise_std,
)
from skdeconv.restorers._noise_behind import check_told_noise
from skdeconv.restorers._strength import batches


class Denoiser(BaseRestorer):
    """A restorer with `noise_std` that resolves to ``noise_std_`` in ``fit``.

    A number is taken as it is. ``"auto"`` takes the root mean square difference of the
    pairs, less what a blur explains, where ``fit`` is given y, else estimates the level
    of each image, in ``predict`` too. Noise that grows with the intensity is brought to
    one level first, unless there is more to undo. A subclass implements ``_denoise``.
    """

    def _fit(self, images, target, weights=None):
        if self.noise_std != "auto":
            self.noise_std_ = float(self.noise_std)
        elif target is None or self._beyond_blur is not None:
            levels = [
                self._estimate(*self._seen(x, weight))
                for x, weight in batches(images, weights)
            ]
            self.noise_std_ = torch.cat(levels).numpy()
        else:
            self.noise_std_ = pair_noise_std(images, target, self.psf_, weights)

    def _restore(
        self,
        x: Tensor,
        noise_std: Tensor | float | None = None,
        weight: Tensor | None = None,
    ) -> Tensor:
        if noise_std is None:  # not what a restorer makes on its way
            self._warn_of_outliers(x, weight)
            if isinstance(self.noise_std_, float):
                noise_std = self.noise_std_
        if noise_std is None and self._only_denoises:
            return denoise_stabilised(self._denoise, x, self.data_range_, weight)
        if noise_std is None:
            noise_std = self._estimate(x, weight)
        else:
            check_told_noise(noise_std, self.psf_, x, self.data_range_, weight)
        level = torch.as_tensor(noise_std, dtype=x.dtype, device=x.device)
        level = level.expand(len(x)) if level.ndim < 2 else level
        return self._denoise(x, level, **given(weight=weight))

    def _estimate(self, x, weight):
        if self._only_denoises:
            return automatic_noise(x, self.data_range_, weight).std
        return self._automatic_noise_std(x, weight)

    def _denoise(self, x: Tensor, noise_std: Tensor) -> Tensor:
        """Denoise a tensor whose images have these noise levels.

        One that takes masks has the argument `weight`, None by default.
        """
        raise NotImplementedError
