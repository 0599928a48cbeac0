"""What denoisers share: the noise level, given, measured or estimated."""

import torch
from torch import Tensor

from skdeconv.restorers._base import BaseRestorer, hide
from skdeconv.restorers._noise import automatic_noise_std, pair_noise_std
from skdeconv.restorers._strength import batches


class Denoiser(BaseRestorer):
    """A restorer with `noise_std` that resolves to ``noise_std_`` in ``fit``.

    A number is taken as it is. ``"auto"`` takes the root mean square difference of the
    pairs, less what a blur explains, where ``fit`` is given y, else estimates the level
    of each image, in ``predict`` too. A subclass implements ``_denoise``.
    """

    def _fit(self, images, target, weights=None):
        if self.noise_std != "auto":
            self.noise_std_ = float(self.noise_std)
        elif target is None or getattr(self, "operator", None) is not None:
            levels = [
                self._estimate(hide(x, weight), weight)
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
        if noise_std is None and isinstance(self.noise_std_, float):
            noise_std = self.noise_std_
        if noise_std is None:
            noise_std = self._estimate(x, weight)
        level = torch.as_tensor(noise_std, dtype=x.dtype, device=x.device)
        if level.ndim < 2:
            level = level.expand(len(x))
        if weight is None:
            return self._denoise(x, level)
        return self._denoise(x, level, weight)

    def _estimate(self, x, weight):
        return automatic_noise_std(x, self.data_range_, self._seen(x, weight))

    def _denoise(self, x: Tensor, noise_std: Tensor) -> Tensor:
        """Denoise a tensor whose images have these noise levels.

        One that takes masks has the weights as a third argument, None by default.
        """
        raise NotImplementedError
