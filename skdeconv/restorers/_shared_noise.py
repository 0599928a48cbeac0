"""Noise of which neighbouring pixels share a part."""

import torch
from torch import Tensor

from skdeconv._warnings import warn_caller
from skdeconv.estimation import estimate_noise_std
from skdeconv.estimation._correlation import noise_correlation
from skdeconv.estimation._jpeg import jpeg_noise_std
from skdeconv.exceptions import NoiseWarning
from skdeconv.restorers._lattices import pixel_lattices

# Noise matters where it is more than this part of the range.
NOTABLE = 0.01


def shared_noise(
    x: Tensor,
    level: Tensor,
    reliability: Tensor,
    data_range: float,
    weight: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Find images whose noise is not white, and how strong it is; warn of some.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Images.
    level, reliability : Tensor of shape (batch,)
        Noise levels if it is white, and how far they are to be trusted.
    data_range : float
        Span of the intensities.
    weight : Tensor broadcastable to the shape of x, or None, default=None
        Pixels of weight 0 are left out.

    Returns
    -------
    spacing : int64 Tensor of shape (batch,)
        How far apart pixels lie whose noise has little in common: 1 where it is white,
        or nearly.
    level : Tensor of shape (batch,)
        Noise levels; a root mean square over the channels where `spacing` is more.
    reliability : Tensor of shape (batch,)
        1 where it is plain that noise is not white.
    """
    compressed, even = jpeg_noise_std(x, data_range, weight)
    spacing, excess = noise_correlation(x, weight)
    spacing, excess = (v.where(compressed == 0, 1) for v in (spacing, excess))
    apart = torch.zeros_like(level)
    for distance in spacing[spacing > 1].unique().tolist():
        alike = spacing == distance
        known = None if weight is None else weight.expand_as(x)[alike]
        # What was interpolated differs between the colours.
        planes, known = (
            None if part is None else part.flatten(0, 1)[:, None]
            for part in (x[alike], known)
        )
        lattices, known = thinned(planes, known, distance)
        levels = estimate_noise_std(lattices, 2, weight=known)
        apart[alike] = levels.unflatten(0, (-1, x.shape[1])).square().mean(1).sqrt()
    notable = apart > NOTABLE * data_range
    if notable.any():
        warn_caller(
            "noise_std='auto' finds noise that neighbouring pixels share, as "
            "demosaicking and scaling leave it, or else texture everywhere that looks "
            f"like it; for the former, {float(apart[notable][0]):.3g} is assumed. Pass "
            "noise_std if the noise is white.",
            NoiseWarning,
        )
    raised = torch.maximum(excess * level, compressed)
    higher = (raised > NOTABLE * data_range) & (raised > level)
    plain = higher & (even | (compressed == 0)) | notable
    level = apart.where(notable, raised.where(higher, level))
    return spacing.where(notable, 1), level, reliability.where(~plain, 1)


def thinned(
    x: Tensor, weight: Tensor | None, spacing: int
) -> tuple[Tensor, Tensor | None]:
    """Lattices of pixels, and of their weights, whose noise is next to white."""
    parts = (x, weight)
    return tuple(p if p is None else pixel_lattices(p, spacing + 1) for p in parts)
