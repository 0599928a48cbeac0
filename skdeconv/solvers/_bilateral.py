"""Bilateral filter."""

from math import ceil

import torch
from torch import Tensor

from skdeconv.solvers._result import SolverResult
from skdeconv.solvers._windows import average_alike


def bilateral_filter(
    y: Tensor, *, range_std: float | Tensor, spatial_std: float = 1.5
) -> SolverResult:
    r"""Average neighbours of like intensity.

    .. math:: x_p \propto \sum_q
        \exp\Bigl(-\frac{\|p - q\|^2}{2 s^2} - \frac{\|y_p - y_q\|^2}{2 C r^2}\Bigr) y_q

    with C channels, so that equal channels are filtered as one of them. Neighbours lie
    inside the frame [1]_.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Images.
    range_std : float or Tensor of shape (batch,)
        Width `r` of the weight of intensities, non-negative, in the units of `y`; zero
        leaves an image as it is.
    spatial_std : float, default=1.5
        Width `s` of the weight of distances in pixels, positive; neighbours lie within
        three times as far along every axis.

    Returns
    -------
    result : SolverResult
        Filtered images, of the shape of `y`.

    References
    ----------
    .. [1] C. Tomasi and R. Manduchi, "Bilateral filtering for gray and color images",
       ICCV 1998. :doi:`10.1109/ICCV.1998.710815`
    """
    ndim = y.ndim - 2
    range_std = torch.as_tensor(range_std, dtype=y.dtype, device=y.device)
    range_std = range_std.expand(len(y))[(..., *(None,) * (ndim + 1))]
    slope = -0.5 / range_std.square().clamp_min(torch.finfo(y.dtype).tiny)

    def affinity(distance, displacement):
        far = -0.5 * sum(d * d for d in displacement) / spatial_std**2
        return distance.mul_(slope).add_(far).exp_()

    radius = ceil(3 * spatial_std)
    total, weight = average_alike(y, (radius,) * ndim, 1, affinity)
    x = torch.where(range_std > 0, (total + y) / (weight + 1), y)
    done = torch.ones(y.shape[:2], dtype=torch.bool, device=y.device)
    return SolverResult(x, 0, done)
