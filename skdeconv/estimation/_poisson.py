"""Variance of noise as a line over intensity, from the image alone."""

from math import comb

import torch
from torch import Tensor

from skdeconv.estimation._noise import MEDIAN_OF_NORMAL, estimate_noise_std

# Groups of pixels of like intensity, and the fewest pixels of a group.
GROUPS, GROUP_SIZE = 16, 200

# Weights of differences of order 0, 1 and 2.
DIFFERENCES = ((1.0,), (-1.0, 1.0), (1.0, -2.0, 1.0))

# Share of vanishing differences that only counts of few photons have.
FEW = 0.1

# Fits of the line, each with weights and scales from the one before.
PASSES = 3

# Of larger images only some slices are looked at, of about as many pixels.
ENOUGH = 2**21


def estimate_noise_variance(
    x: Tensor, ndim: int, weight: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    r"""Estimate ``variance = constant + gain * intensity`` in each image.

    The noise of a sensor is that of counting photons, whose variance grows with the
    intensity, and that of reading them out, which is the same everywhere [1]_. As in
    :func:`estimate_noise_std`, second differences show the noise, here in groups of
    pixels of like local mean; a line is fitted to the groups' variances.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Images; the channels of an image share one noise.
    ndim : int
        Number of spatial axes.
    weight : Tensor of shape (batch, 1 or channels, *spatial) or None, default=None
        Pixels of weight 0, and what they touch, are left out.

    Returns
    -------
    constant : Tensor of shape (batch,)
        Variance at intensity 0, in the units of `x` squared, at least 0.
    gain : Tensor of shape (batch,)
        Growth of the variance with intensity, in the units of `x`, at least 0.

    References
    ----------
    .. [1] A. Foi, M. Trimeche, V. Katkovnik, K. Egiazarian, "Practical
       Poissonian-Gaussian noise modeling and fitting for single-image raw-data", IEEE
       Trans. Image Process. 17(10), 2008. :doi:`10.1109/TIP.2008.2001399`

    Examples
    --------
    >>> import torch
    >>> from skdeconv.estimation import estimate_noise_variance
    >>> ramp = torch.linspace(10, 200, 256).expand(1, 1, 256, 256)
    >>> noisy = torch.poisson(ramp, generator=torch.Generator().manual_seed(0))
    >>> constant, gain = estimate_noise_variance(noisy, ndim=2)
    >>> round(gain.item(), 1)
    1.0
    """
    known = None if weight is None else (weight > 0).expand(x.shape)
    detail, level, energy = x, x, 1
    for axis in range(-ndim, 0):
        order = min(2, x.shape[axis] - 1)
        step = max(1, x[0, 0].numel() // ENOUGH) if axis == -ndim else 1
        window = (axis, order + 1, step)
        detail = detail.unfold(*window) @ x.new_tensor(DIFFERENCES[order])
        energy *= comb(2 * order, order)
        level = level.unfold(*window).mean(-1)
        known = None if known is None else known.unfold(*window).all(-1)
    detail, level = detail.abs().flatten(1), level.flatten(1)
    if known is not None:
        detail = detail.where(known.flatten(1), torch.nan)
        level = level.where(known.flatten(1), torch.inf)  # the last group
    groups = min(GROUPS, level.shape[1] // GROUP_SIZE)
    if groups < 2 or energy == 1:
        overall = estimate_noise_std(x, ndim, weight=weight).square()
        return overall, torch.zeros_like(overall)
    order = level.argsort(dim=1, stable=True)[:, : level.shape[1] // groups * groups]
    level = level.gather(1, order).unflatten(1, (groups, -1))
    detail = detail.gather(1, order).unflatten(1, (groups, -1))
    # Where photons are so few that many differences vanish, medians mislead.
    few = (detail == 0).float().mean(2) > FEW
    squares = detail.square().nanmean(2).div_(energy)
    middle = torch.where(few, level.mean(2), level.median(2).values).clamp_min_(0)
    expected, line = None, None
    for _ in range(PASSES):
        # Within a group, pixels are brought to one variance by the line so far.
        unit = detail if expected is None else detail / expected.sqrt()
        spread = unit.nanmedian(2).values.div_(MEDIAN_OF_NORMAL).square_().div_(energy)
        if line is not None:
            spread.mul_(line[0][:, None] + line[1][:, None] * middle)
        spread = torch.where(few, squares, spread)
        sound = middle.isfinite() & spread.isfinite()
        line = _fit_line(
            middle.where(sound, 0), spread.where(sound, 0), sound.to(x.dtype)
        )
        constant, gain = line
        expected = constant[:, None, None] + gain[:, None, None] * level.clamp_min(0)
        floor = 1e-3 * squares.nanmean(1)[:, None, None]
        expected = torch.maximum(expected, floor).clamp_min_(torch.finfo(x.dtype).tiny)
    enough = sound.sum(1) > 1
    if enough.all():
        return constant, gain
    overall = estimate_noise_std(x, ndim, weight=weight).square()
    return constant.where(enough, overall), gain.where(enough, 0)


def _fit_line(level, variance, sound):
    """Fit a line of no negative coefficient to groups, of which the low ones count."""
    tiny = torch.finfo(level.dtype).tiny
    spread = variance.square().mul_(sound).sum(1, keepdim=True).sqrt_()
    unit = spread.clamp_min(tiny)  # so that no square leaves the range
    variance = variance / unit
    size = level.amax(1, keepdim=True).clamp_min_(tiny)
    level = level / size
    # The error of a variance grows with it: first with what is found, then as fitted.
    expected = variance
    for _ in range(3):
        weight = sound / expected.clamp_min(1e-3).square()
        constant, gain = _fit_weighted(level, variance, weight / weight.sum(1)[:, None])
        expected = constant[:, None] + gain[:, None] * level
    unit = spread[:, 0]
    return constant * unit, gain * unit / size[:, 0]


def _fit_weighted(level, variance, weight):
    tiny = torch.finfo(level.dtype).tiny
    weight = weight.nan_to_num(0)

    def mean(values):
        return (weight * values).sum(1)

    centre, middle = mean(level), mean(variance)
    gain = mean((level - centre[:, None]) * (variance - middle[:, None]))
    gain = gain / mean((level - centre[:, None]).square()).clamp_min_(tiny)
    gain = gain.clamp_min_(0)
    constant = middle - gain * centre
    through = mean(level * variance) / mean(level.square()).clamp_min_(tiny)
    gain = torch.where(constant < 0, through, gain)
    return constant.clamp_min_(0), gain
