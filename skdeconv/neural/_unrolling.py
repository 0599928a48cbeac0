"""Turns of a data step and a denoiser, as one network with steps that are learned."""

from itertools import cycle, islice

import torch
from torch import Tensor, nn

from skdeconv.networks import UNet
from skdeconv.neural._ensembles import turns
from skdeconv.neural._planes import as_planes, into_range
from skdeconv.operators import LinearOperator
from skdeconv.operators._scene import crop
from skdeconv.solvers._data_steps import data_step
from skdeconv.solvers._plug_and_play import (
    RELAXATION,
    as_strong_as_scenes,
    back_project,
    believed_noise,
    coupling_of,
    falling_levels,
)

# An optimiser moves logarithms of the steps so many times faster than weights.
HASTE = 50.0


class Unrolling(nn.Module):
    r"""Plug-and-play iterations whose couplings, levels and denoiser are learned.

    .. math:: x_k = \arg\min_x \; \|w^{1/2} (A x - y)\|^2 + \mu_k \|x - z_{k-1}\|^2,
        \qquad z_k = D_\theta(x_k, \sigma_k)

    It begins with the steps of plug-and-play, and so with its answer. Data steps are
    computed in float32, whatever the precision of the denoiser.

    Parameters
    ----------
    out_channels : int
        Channels of the images.
    operator : LinearOperator
        What made the data, unless ``forward`` is told otherwise.
    max_iter : int
        Number of turns.
    planes : int or None, default=None
        Channels of a denoiser of planes, of which signals and volumes are made: 3 for
        colour, 1 for each channel by itself. None has one of as many axes and channels
        as the images.
    width, n_blocks, dropout
        Parameters of the denoiser, a ``UNet``.
    """

    noise_map = True

    def __init__(
        self,
        out_channels: int,
        operator: LinearOperator,
        max_iter: int,
        planes: int | None = None,
        width: int | tuple[int, ...] = 48,
        n_blocks: int = 2,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.out_channels, self.operator, self.planes = out_channels, operator, planes
        ndim, channels = operator.ndim, out_channels
        if planes is not None:
            ndim, channels = 2, planes
        self.denoiser = UNet(
            channels,
            channels,
            ndim,
            width,
            n_blocks,
            noise_map=True,
            dropout=dropout,
        )
        # Logarithms, relative to plug-and-play.
        self.couplings = nn.Parameter(torch.zeros(max_iter))
        self.levels = nn.Parameter(torch.zeros(max_iter))

    def forward(
        self, x: Tensor, noise_std: Tensor, operator: LinearOperator | None = None
    ) -> Tensor:
        """Restore images.

        Parameters
        ----------
        x : Tensor of shape (batch, out_channels or twice as many, *spatial)
            Data of range 1, perhaps with the weights of their pixels beside them.
        noise_std : Tensor of shape (batch,)
            Noise levels of the data.
        operator : LinearOperator or None, default=None
            What made these data, if it is not the one given at construction.

        Returns
        -------
        restored : Tensor of shape (batch, out_channels, *image)
            Images, without the margins of the scene that the operator sees.
        """
        operator = operator or self.operator
        y, weight = x[:, : self.out_channels], x[:, self.out_channels :]
        with torch.autocast(x.device.type, enabled=False):
            y = y.float().contiguous()
            weight = weight.float() if weight.numel() else None
            operator, y, noise_std = as_strong_as_scenes(operator, y, noise_std.to(y))
            levels, couplings = self._steps(noise_std, y, operator)
            step = data_step(y, operator, weight)
            z, seen = back_project(y, operator, weight)
            stride = torch.where(seen, 1.0, RELAXATION)
        each = (..., *(None,) * (y.ndim - 1))
        views = islice(cycle(turns(y.ndim - 2)), len(self.levels))
        for k, (turn, turn_back) in enumerate(views):
            with torch.autocast(x.device.type, enabled=False):
                scene = step(z, couplings[:, k][each])
            denoised = turn_back(self._denoise(turn(scene), levels[:, k])).float()
            z = scene + stride * (denoised - scene)
        return crop(denoised, operator)

    def _steps(self, noise_std, y, operator):
        """Levels and couplings of all turns, of shape (batch, max_iter)."""
        noise_std = believed_noise(noise_std, y)
        levels = falling_levels(noise_std, len(self.levels), y)
        couplings = coupling_of(operator) * (noise_std[:, None] / levels).square()
        return (
            levels * (HASTE * self.levels).exp(),
            couplings * (HASTE * self.couplings).exp(),
        )

    def _denoise(self, x, level):
        if self.planes is None:
            return self.denoiser(x, level)
        planes, back = as_planes(x, self.planes == 3)
        level = level.repeat_interleave(len(planes) // len(level))
        with torch.no_grad():
            offset = into_range(planes.float(), level[:, None, None, None].float(), 1.0)
        return back(self.denoiser(planes + offset, level) - offset)
