"""Standard deviation of white noise, from the image alone."""

from functools import reduce
from itertools import product
from math import ceil, comb, prod, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

MEDIAN_OF_NORMAL = 0.6744897501960817  # of |z| for a standard normal z

# Pixels of a patch, about; share of the patches that are smooth; patches per pixel of
# a patch that covariances need; positions of patches to choose from; how far the mean
# eigenvalue of n patches of d pixels passes the median, in units of d / n.
PATCH_PIXELS = 49
SMOOTH = 0.05
LEAST = 20
POSITIONS = 2**16
SKEW = 0.3

# Share of the pixels at the least or greatest value that only clipping explains.
CLIPPED = 0.002


def estimate_noise_std(
    x: Tensor,
    ndim: int,
    *,
    weight: Tensor | None = None,
    return_reliability: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    r"""Estimate the standard deviation of white Gaussian noise in each image.

    The smoothest patches of an image span few directions, noise all of them: of the
    eigenvalues of their covariance, the smaller ones are the variance of the noise
    [1]_. The largest set whose mean hardly passes its median, as noise alone has it,
    is averaged [2]_. What is smooth is told from means over the corners of the patches,
    whose directions are then left out, so that the selection does not bias the
    estimate.

    The median magnitude of second differences along every axis, over the smoothest
    quarter of the image [3]_, is a second estimate, and the only one where patches are
    few. Texture makes both too large: the smaller counts,
    raised by what its chance error may be.

    Pixels that are clipped or lie in a constant region say nothing about the noise and
    are left out, unless constant regions are all there is.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Images; the channels of an image share one noise level.
    ndim : int
        Number of spatial axes.
    weight : Tensor of the shape of x, or None, default=None
        Pixels of weight 0 are left out.
    return_reliability : bool, default=False
        Whether to tell how far the estimates are to be trusted.

    Returns
    -------
    noise_std : Tensor of shape (batch,)
        In the units of `x`. Zero for constant images and for single pixels.
    reliability : Tensor of shape (batch,)
        From 0 to 1; only where asked for. The share of the patches' directions that
        hold nothing but noise: around 1 is certain, below 0.4 texture cannot be told
        from noise. Of an image with few pixels their number against what covariances
        need, and at most 0.5.

    References
    ----------
    .. [1] S. Pyatykh, J. Hesser and L. Zheng, "Image noise level estimation by
       principal component analysis", IEEE Transactions on Image Processing 22, 2013.
       :doi:`10.1109/TIP.2012.2221728`
    .. [2] G. Chen, F. Zhu and P. A. Heng, "An efficient statistical method for image
       noise level estimation", ICCV 2015. :doi:`10.1109/ICCV.2015.62`
    .. [3] D. L. Donoho and I. M. Johnstone, "Ideal spatial adaptation by wavelet
       shrinkage", Biometrika 81, 1994. :doi:`10.1093/biomet/81.3.425`

    Examples
    --------
    >>> import torch
    >>> from skdeconv.estimation import estimate_noise_std
    >>> noise = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> bool(4.5 < estimate_noise_std(5 * noise, ndim=2) < 5.5)
    True
    """
    flat = _flat(x, ndim)
    mute = flat | _clipped(x, ndim)
    if weight is not None:
        mute |= weight == 0
    sizes = tuple(min(round(PATCH_PIXELS ** (1 / ndim)), n) for n in x.shape[2:])
    least = LEAST * (prod(sizes) - 1)

    noise_std, n_differences = _from_differences(x, mute, ndim)
    reliability = (n_differences / (2 * LEAST * PATCH_PIXELS)).clamp(max=0.5)
    std, share, n_patches = _from_patches(x, mute, sizes, least)
    enough = (n_patches >= least) & (min(sizes) > 1)
    # Not lower than its own chance error explains.
    upper = noise_std * (1 + 4 * n_differences.clamp_min(1).rsqrt())
    noise_std = torch.where(enough, torch.minimum(std, upper), noise_std)
    reliability = torch.where(enough, share, reliability)
    noise_std = torch.where(_noiseless(x, flat), 0, noise_std)
    return (noise_std, reliability) if return_reliability else noise_std


def _clipped(x, ndim):
    """Pixels at the least and greatest value, where too many are."""
    axes = tuple(range(-ndim, 0))
    most = 1 + CLIPPED * prod(x.shape[2:])
    low, high = x == x.amin(axes, keepdim=True), x == x.amax(axes, keepdim=True)
    low = low & (low.sum(axes, keepdim=True) > most)
    return low | high & (high.sum(axes, keepdim=True) > most)


def _flat(x, ndim):
    """Pixels in the middle of at least nine equal ones."""
    radius = 4 if ndim == 1 else 1
    size = 2 * radius + 1
    if min(x.shape[2:]) < size:
        return torch.zeros_like(x, dtype=torch.bool)
    low = high = x
    for axis in range(-ndim, 0):
        low = reduce(torch.minimum, _shifts(low, axis, size))
        high = reduce(torch.maximum, _shifts(high, axis, size))
    return F.pad(low == high, (radius, radius) * ndim)


def _noiseless(x, flat):
    """Whether constant regions of several levels between black and white show it."""
    x, flat = x.flatten(1), flat.flatten(1)
    low, high = x.amin(1, keepdim=True), x.amax(1, keepdim=True)
    grey = flat & (x > low) & (x < high)
    several = torch.where(grey, x, low).amax(1) > torch.where(grey, x, high).amin(1)
    return several & (grey.float().mean(1) > 0.25)


def _shifts(x, axis, size):
    n = x.shape[axis] - size + 1
    return [x.narrow(axis, k, n) for k in range(size)]


def _means(x, sizes):
    for axis, size in zip(range(-len(sizes), 0), sizes, strict=True):
        x = reduce(torch.add, _shifts(x, axis, size)) / size
    return x


def _any(mute, sizes):
    """Whether windows hold any mute pixel."""
    for axis, size in zip(range(-len(sizes), 0), sizes, strict=True):
        mute = reduce(torch.logical_or, _shifts(mute, axis, size))
    return mute


def _from_differences(x, mute, ndim):
    """Estimates, and the number of differences they could choose from."""
    axes = range(-ndim, 0)
    orders = [min(2, n - 1) for n in x.shape[2:]]
    detail = x
    for axis, order in zip(axes, orders, strict=True):
        detail = torch.diff(detail, n=order, dim=axis)
    energy = prod(comb(2 * order, order) for order in orders)
    if energy == 1:
        return x.new_zeros(len(x)), x.new_zeros(len(x))
    mute = _any(mute, [order + 1 for order in orders])
    means = _means(x - x.mean(tuple(axes), keepdim=True), _at_most(4, x))
    spread = _means(means.square(), _at_most(8, means))
    spread = spread - _means(means, _at_most(8, means)).square()
    # The windows' grid is a few pixels smaller: stretched, it fits well enough.
    spread = F.interpolate(spread.mean(1, keepdim=True), detail.shape[2:])
    spread = spread.masked_fill(mute.all(1, keepdim=True), torch.inf).flatten(1)
    detail = detail.abs().masked_fill(mute, torch.nan).flatten(2)
    n = spread.shape[1]
    smooth = spread.argsort(dim=1, stable=True)[:, : max(n // 4, min(n, 256))]
    detail = detail.gather(2, smooth[:, None].expand(-1, detail.shape[1], -1))
    middle = detail.flatten(1).nanmedian(1).values.nan_to_num()
    return middle / (MEDIAN_OF_NORMAL * sqrt(energy)), (~mute).flatten(1).sum(1)


def _at_most(size, x):
    return tuple(min(size, n) for n in x.shape[2:])


def _from_patches(x, mute, sizes, least):
    """Estimates, the share of noise in the directions, and the number of patches."""
    ndim, (batch, channels), shape = len(sizes), x.shape[:2], x.shape[2:]
    places = [n - p + 1 for n, p in zip(shape, sizes, strict=True)]
    total = channels * prod(places)
    if total < least or min(sizes) == 1:
        return x.new_zeros(len(x)), x.new_zeros(len(x)), x.new_zeros(len(x))
    step = max(1, round((total / POSITIONS) ** (1 / ndim)))
    grid = (..., *(slice(None, None, step),) * ndim)

    # What is smooth has equal means in the corners of the patch.
    half = [p // 2 + 1 for p in sizes]
    means = _means(x, half)
    corners = torch.stack(
        [
            means[
                (..., *(slice(k, k + n, step) for k, n in zip(c, places, strict=True)))
            ]
            for c in product(*((0, p - h) for p, h in zip(sizes, half, strict=True)))
        ]
    )
    rough = corners.var(0).masked_fill(_any(mute, sizes)[grid], torch.inf).flatten(1)
    n_patches = rough.isfinite().sum(1)
    n = rough.shape[1]
    n = max(ceil(SMOOTH * n), min(n, least), min(n // 4, 2 * least))
    rough, chosen = rough.sort(dim=1, stable=True)
    usable = rough[:, :n].isfinite()

    start = torch.arange(x[0].numel(), device=x.device).view(channels, *shape)
    start = start[(..., *(slice(0, n, step) for n in places))].flatten()
    offsets = torch.arange(prod(shape), device=x.device).view(shape)
    offsets = offsets[tuple(slice(0, p) for p in sizes)].flatten()
    index = start[chosen[:, :n]][..., None] + offsets
    patches = x.flatten(1).gather(1, index.flatten(1)).view(batch, n, -1)
    # The selection knows the corners' means: without them it has no bias.
    known = _corner_means(sizes, half).to(x)
    unbiased = torch.eye(prod(sizes)).to(x) - torch.linalg.pinv(known) @ known
    patches = (patches @ unbiased) * usable[..., None]
    covariance = patches.mT @ patches / usable.sum(1).clamp_min(1)[:, None, None]
    free = round(unbiased.trace().item())
    values = torch.linalg.eigvalsh(covariance)[:, -free:].clamp_min(0)

    # From all downwards, the first set whose mean is at most its median.
    count = torch.arange(1, free + 1, device=x.device)
    mean = values.cumsum(1) / count
    median = (values[:, (count - 1) // 2] + values[:, count // 2]) / 2
    size = (count * (mean <= median * (1 + SKEW * free / n))).amax(1).clamp_min(1)
    variance = mean.gather(1, size[:, None] - 1).squeeze(1)
    return variance.sqrt(), size / free, n_patches


def _corner_means(sizes, half):
    """Windows in the corners of a patch, one per row."""
    rows = torch.ones(1, 1, dtype=torch.float64)
    for size, part in zip(sizes, half, strict=True):
        ends = torch.zeros(2, size, dtype=torch.float64)
        ends[0, :part] = ends[1, size - part :] = 1
        rows = torch.kron(rows, ends)
    return rows
