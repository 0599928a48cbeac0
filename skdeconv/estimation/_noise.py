"""Standard deviation of white noise, from the image alone."""

from math import comb, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

MEDIAN_OF_NORMAL = 0.6744897501960817  # of |z| for a standard normal z


def estimate_noise_std(x: Tensor, ndim: int) -> Tensor:
    r"""Estimate the standard deviation of white Gaussian noise in each image.

    Second differences along every axis leave little of an image but all of its noise;
    the median of their magnitude, over the smoothest quarter of the image, divided by
    its value for standard normal noise [1]_, shrugs off the edges that remain. What is
    smooth is told from local means, which know almost nothing of the differences'
    noise, so that the selection hardly biases the estimate.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Images; the channels of an image share one noise level.
    ndim : int
        Number of spatial axes.

    Returns
    -------
    noise_std : Tensor of shape (batch,)
        In the units of `x`. Zero for constant images and for single pixels.

    References
    ----------
    .. [1] D. L. Donoho and I. M. Johnstone, "Ideal spatial adaptation by wavelet
       shrinkage", Biometrika 81, 1994. :doi:`10.1093/biomet/81.3.425`

    Examples
    --------
    >>> import torch
    >>> from skdeconv.estimation import estimate_noise_std
    >>> noise = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> round(estimate_noise_std(5 * noise, ndim=2).item(), 1)
    5.0
    """
    detail, energy = x, 1
    for axis in range(-ndim, 0):
        order = min(2, x.shape[axis] - 1)
        detail = torch.diff(detail, n=order, dim=axis)
        energy *= comb(2 * order, order)
    if energy == 1:
        return x.new_zeros(len(x))
    means = _local_mean(x - x.mean(tuple(range(-ndim, 0)), keepdim=True), 4, ndim)
    spread = _local_mean(means.square(), 8, ndim) - _local_mean(means, 8, ndim).square()
    # The windows' grid is a few pixels smaller: stretched, it fits well enough.
    spread = F.interpolate(spread.mean(1, keepdim=True), detail.shape[2:])
    spread, detail = spread.flatten(1), detail.abs().flatten(2)
    n = spread.shape[1]
    smooth = spread.argsort(dim=1, stable=True)[:, : max(n // 4, min(n, 256))]
    detail = detail.gather(2, smooth[:, None].expand(-1, detail.shape[1], -1))
    return detail.flatten(1).median(1).values / (MEDIAN_OF_NORMAL * sqrt(energy))


def _local_mean(x, window, ndim):
    for axis in range(2, 2 + ndim):
        x = x.unfold(axis, min(window, x.shape[axis]), 1).mean(-1)
    return x
