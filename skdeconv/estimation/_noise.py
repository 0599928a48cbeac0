"""Standard deviation of white noise, from the image alone."""

from functools import reduce
from math import ceil, comb, prod, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from skdeconv.estimation._counts import photon_step
from skdeconv.estimation._patches import (
    LEAST,
    PATCH_PIXELS,
    Patches,
    least_patches,
    patch_sizes,
    shifts,
    window_any,
    window_means,
)

MEDIAN_OF_NORMAL = 0.6744897501960817  # of |z| for a standard normal z

# Differences along one axis meet texture more often, and are not relied on.
ALONG_ONE = 0.25

# Share of the patches that are smooth.
SMOOTH = 0.05

# Share of the pixels at the least or greatest value that only clipping explains.
CLIPPED = 0.002

# Of larger images only so many pixels are looked at, in a few slabs across the first
# axis, each of which is at least so many pixels thick.
ENOUGH, SLABS, THICK = 2**21, 8, 16


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
    few. Texture makes both too large: the smaller counts, raised by what its chance
    error may be. Where missing pixels leave no window whole, differences along one
    axis, of two pixels if need be, are all there is.

    Pixels that are clipped or lie in a constant region say nothing about the noise and
    are left out, unless constant regions are all there is. Images of few photons that
    were counted are known by their steps: their variance is a step times the mean. Of
    images of more than two million pixels so many are looked at, in up to eight slabs.

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
    x, weight = slabs(x), None if weight is None else slabs(weight)
    flat = constant_pixels(x, ndim)
    mute = mute_pixels(x, ndim, weight)
    sizes = patch_sizes(x.shape[2:])
    least = least_patches(sizes)

    noise_std, n_differences = _from_differences(x, mute, ndim)
    reliability = (n_differences / (2 * LEAST * PATCH_PIXELS)).clamp(max=0.5)
    for orders in () if weight is None else _along_one_axis(x.shape[2:]):
        if (n_differences > 0).all():
            break
        other, n = _from_differences(x, mute, ndim, orders)
        first = (n_differences == 0) & (n > 0)
        noise_std = torch.where(first, other, noise_std)
        n_differences = torch.where(first, n, n_differences)
        reliability = torch.where(first, ALONG_ONE, reliability)
    std, share, n_patches = _from_patches(x, mute, sizes, least)
    enough = (n_patches >= least) & (min(sizes) > 1)
    # Not lower than its own chance error explains.
    upper = noise_std * (1 + 4 * n_differences.clamp_min(1).rsqrt())
    noise_std = torch.where(enough, torch.minimum(std, upper), noise_std)
    reliability = torch.where(enough, share, reliability)
    noise_std = torch.where(_noiseless(x, flat), 0, noise_std)
    step = photon_step(x, ndim, weight)
    counted = (step * mean_intensity(x, weight)).sqrt()
    noise_std = torch.where(step > 0, counted, noise_std)
    reliability = torch.where(step > 0, 1, reliability)
    return (noise_std, reliability) if return_reliability else noise_std


def slabs(x, enough=ENOUGH):
    """Put slabs of a large image on top of each other, about so many pixels."""
    n = x.shape[2]
    rows = max(THICK, enough // max(1, prod(x.shape[3:])))
    if rows >= n:
        return x
    count = max(1, min(SLABS, rows // THICK))
    starts = torch.linspace(0, n - rows // count, count).int().tolist()
    return torch.cat([x.narrow(2, start, rows // count) for start in starts], dim=2)


def mean_intensity(x: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean of every image over its pixels, less those of weight 0."""
    if weight is None:
        return x.flatten(1).mean(1)
    known = (weight > 0).expand(x.shape).to(x).flatten(1)
    return (x.flatten(1) * known).sum(1) / known.sum(1).clamp_min(1)


def mute_pixels(x: Tensor, ndim: int, weight: Tensor | None = None) -> Tensor:
    """Pixels that say nothing about the noise."""
    low, high = clipped_pixels(x, ndim)
    mute = constant_pixels(x, ndim) | low | high
    return mute if weight is None else mute | (weight == 0)


def clipped_pixels(x: Tensor, ndim: int) -> tuple[Tensor, Tensor]:
    """Pixels at the least and at the greatest value, where too many are.

    Clipping gathers all that lies beyond: more than there are of the next value.
    """
    axes = tuple(range(-ndim, 0))
    most = 1 + CLIPPED * prod(x.shape[2:])
    low, high = x.amin(axes, keepdim=True), x.amax(axes, keepdim=True)
    second = x.where(x > low, torch.inf).amin(axes, keepdim=True)
    last = x.where(x < high, -torch.inf).amax(axes, keepdim=True)
    clipped = []
    for end, next_one in ((low, second), (high, last)):
        at_end = x == end
        count, of_next = (v.sum(axes, keepdim=True) for v in (at_end, x == next_one))
        clipped.append(at_end & (count > most) & (count > of_next))
    return clipped[0], clipped[1]


def constant_pixels(x: Tensor, ndim: int) -> Tensor:
    """Pixels in the middle of at least nine equal ones."""
    radius = 4 if ndim == 1 else 1
    size = 2 * radius + 1
    if min(x.shape[2:]) < size:
        return torch.zeros_like(x, dtype=torch.bool)
    low = high = x
    for axis in range(-ndim, 0):
        low = reduce(torch.minimum, shifts(low, axis, size))
        high = reduce(torch.maximum, shifts(high, axis, size))
    return F.pad(low == high, (radius, radius) * ndim)


def _noiseless(x, flat):
    """Whether constant regions of several levels between black and white show it."""
    x, flat = x.flatten(1), flat.flatten(1)
    low, high = x.amin(1, keepdim=True), x.amax(1, keepdim=True)
    grey = flat & (x > low) & (x < high)
    several = torch.where(grey, x, low).amax(1) > torch.where(grey, x, high).amin(1)
    return several & (grey.float().mean(1) > 0.25)


def _along_one_axis(shape):
    """Orders of differences along each axis by itself, the higher ones first."""
    for order in (2, 1):
        for axis, n in enumerate(shape):
            if n > order:
                yield [order if i == axis else 0 for i in range(len(shape))]


def _from_differences(x, mute, ndim, orders=None):
    """Estimates, and the number of differences they could choose from."""
    axes = range(-ndim, 0)
    orders = orders or [min(2, n - 1) for n in x.shape[2:]]
    detail = x
    for axis, order in zip(axes, orders, strict=True):
        detail = torch.diff(detail, n=order, dim=axis)
    energy = prod(comb(2 * order, order) for order in orders)
    if energy == 1:
        return x.new_zeros(len(x)), x.new_zeros(len(x))
    mute = window_any(mute, [order + 1 for order in orders])
    means = window_means(x - x.mean(tuple(axes), keepdim=True), _at_most(4, x))
    spread = window_means(means.square(), _at_most(8, means))
    spread = spread - window_means(means, _at_most(8, means)).square()
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
    places = [n - p + 1 for n, p in zip(x.shape[2:], sizes, strict=True)]
    if x.shape[1] * prod(places) < least or min(sizes) == 1:
        return x.new_zeros(len(x)), x.new_zeros(len(x)), x.new_zeros(len(x))
    patches = Patches(x, mute, sizes)
    n, wanted = patches.rough.shape[1], LEAST * (prod(sizes) - 1)
    n = max(ceil(SMOOTH * n), min(n, wanted), min(n // 4, 2 * wanted))
    rough, chosen = patches.rough.sort(dim=1, stable=True)
    variance, share = patches.noise(chosen[:, :n], rough[:, :n].isfinite())
    return variance.sqrt(), share, rough.isfinite().sum(1)
