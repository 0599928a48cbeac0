"""The noise level: given, measured on pairs or estimated."""

from collections.abc import Callable
from dataclasses import replace
from itertools import repeat
from math import prod
from numbers import Real
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from skdeconv._images import ImageBatch, as_images
from skdeconv._params import Interval, StrOptions
from skdeconv._warnings import warn_caller
from skdeconv.estimation import estimate_noise_curve, estimate_noise_std
from skdeconv.exceptions import NoiseWarning
from skdeconv.operators import Blur
from skdeconv.restorers._lattices import on_lattices
from skdeconv.restorers._noise_behind import (
    LONG,
    in_coarse_pixels,
    noise_behind,
    warn_of_misfit,
)
from skdeconv.restorers._shared_noise import NOTABLE, shared_noise, thinned
from skdeconv.solvers import anscombe, inverse_anscombe

NOISE_STD = [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})]

# An estimate is doubtful below this reliability. It matters in images of so many
# pixels, smaller ones are never sure, and where it is more than this part of the range.
RELIABLE, PIXELS = 0.4, 4096

# Fewer pixels of pairs than these do not measure noise.
FEW = 64

# Levels of data behind an operator or mask count from this reliability on.
TOLD = 0.3

# Without a blur, what is so many times stronger in coarse pixels than white noise would
# be is texture, or noise that was smoothed. White noise of 10/255 and more on 44 test
# images and photographs is at most 1.9 times so.
UNEVEN = 1.9


def automatic_noise_std(
    x: Tensor,
    data_range: float,
    weight: Tensor | None = None,
    *,
    psf: np.ndarray | None = None,
) -> Tensor:
    """Estimate the noise level of each image; warn where it cannot be known.

    Behind a blur it is the level of the white noise that is as strong in coarse pixels,
    of which deblurring makes most.
    """
    noise = noise_behind(psf, x, data_range, weight)
    warn_of_doubt(
        x,
        noise.level,
        noise.reliability,
        data_range,
        "noise_std",
        weight,
        blurred=psf is not None,
    )
    warn_of_misfit(noise.unexplained)
    return noise.total


def reliable_noise_std(x: Tensor, weight: Tensor | None) -> Tensor:
    """Noise levels behind an operator or mask, NaN where they cannot be told."""
    level, reliability = estimate_noise_std(
        x, x.ndim - 2, weight=weight, return_reliability=True
    )
    return level.where(reliability >= TOLD, torch.nan)


class Noise(NamedTuple):
    """Noise of each image: a level, or how its variance grows with the intensity.

    Parameters
    ----------
    std : Tensor of shape (batch,)
        Where the noise grows, the root mean square over the image.
    gain, offset : Tensor of shape (batch,)
        What :func:`skdeconv.solvers.anscombe` takes: 0 and 1, which change nothing,
        where the noise is the same everywhere.
    spacing : int64 Tensor of shape (batch,)
        How far apart pixels lie whose noise is white.
    """

    std: Tensor
    gain: Tensor
    offset: Tensor
    spacing: Tensor


def automatic_noise(
    x: Tensor, data_range: float, weight: Tensor | None = None
) -> Noise:
    """Estimate the noise of each image; warn where it cannot be known.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Images.
    data_range : float
        Span of the intensities.
    weight : Tensor broadcastable to the shape of x, or None, default=None
        Pixels of weight 0 are left out.

    Returns
    -------
    noise : Noise
    """
    level, reliability = estimate_noise_std(
        x, x.ndim - 2, weight=weight, return_reliability=True
    )
    spacing, level, reliability = shared_noise(
        x, level, reliability, data_range, weight
    )
    white = spacing == 1
    std, gain, offset = _levels(x, level, weight)
    for distance in spacing[~white].unique().tolist():
        alike = spacing == distance
        known = None if weight is None else weight.expand_as(x)[alike]
        lattices, known = thinned(x[alike], known, distance)
        levels = _levels(lattices, level[alike], known)
        for part, found in zip((std, gain, offset), levels, strict=True):
            part[alike] = found
    warn_of_doubt(
        x,
        level.where(white & (gain == 0), 0),
        reliability,
        data_range,
        "noise_std",
        weight,
    )
    return Noise(std, gain, offset, spacing)


def _levels(x, level, weight):
    """Levels, or where noise grows root mean squares, and how it grows."""
    curve = estimate_noise_curve(x, x.ndim - 2, weight=weight)
    return (
        torch.where(curve.grows, curve.rms(x, weight), level),
        curve.gain.where(curve.grows, 0),
        curve.offset.where(curve.grows, 1),
    )


def denoise_stabilised(
    denoise: Callable[..., Tensor],
    x: Tensor,
    data_range: float,
    weight: Tensor | None = None,
) -> Tensor:
    """Denoise at estimated levels noise that is brought to one level and is white.

    Noise that grows with the intensity is transformed first; where neighbouring pixels
    share it, the lattices of pixels that do not are denoised by themselves. `denoise`
    takes images, one noise level for each and, where there are any, weights.
    """
    noise = automatic_noise(x, data_range, weight)
    level, grows = noise.std, noise.gain > 0
    if grows.any():
        stable = anscombe(x, noise.gain, noise.offset)
        # Some know the range of their images: it is filled.
        low, high = stable.flatten(1).aminmax(dim=1)
        low = low.where(grows, 0)
        scale = (data_range / (high - low)).where(grows, 1)
        level = level.where(~grows, scale)
        low, scale = (v.reshape(-1, *(1,) * (x.ndim - 1)) for v in (low, scale))
        x = (stable - low) * scale
    restored = torch.empty_like(x)
    for distance in noise.spacing.unique().tolist():
        alike = noise.spacing == distance
        parts = x[alike], level[alike]
        if weight is not None:
            parts += (weight.expand(len(x), *weight.shape[1:])[alike],)
        restored[alike] = on_lattices(denoise, distance, *parts)
    if not grows.any():
        return restored
    return inverse_anscombe(restored / scale + low, noise.gain, noise.offset)


def warn_of_doubt(
    x: Tensor,
    level: Tensor,
    reliability: Tensor,
    data_range: float,
    parameter: str,
    weight: Tensor | None = None,
    *,
    blurred: bool = False,
) -> None:
    """Warn of estimates that may be far off, of levels that matter."""
    if x.ndim == 3 or prod(x.shape[2:]) < PIXELS:
        return
    notable = level > NOTABLE * data_range
    doubtful = notable & (reliability < RELIABLE)
    if weight is not None:  # no known pixels lie side by side
        doubtful |= (reliability == 0) & _varies(x, weight)
    if notable.any() and x.ndim == 4 and min(x.shape[2:]) >= LONG and not blurred:
        doubtful |= notable & (in_coarse_pixels(x, level, weight)[0] > UNEVEN)
    if doubtful.any():
        warn_caller(
            f"{parameter}='auto' is unsure: texture, noise that was smoothed, or too "
            "few pixels that are neither constant, saturated nor hidden, leave a "
            f"doubtful estimate of the noise, {float(level[doubtful][0]):.3g}. Pass "
            f"{parameter} if you know it.",
            NoiseWarning,
        )


def _varies(x, weight):
    """Whether known pixels of an image differ."""
    known = (weight > 0).expand_as(x)
    low = x.where(known, torch.inf).flatten(1).amin(1)
    return x.where(known, -torch.inf).flatten(1).amax(1) > low


def warn_of_units(noise_std, data_range: float) -> None:
    """Tell of a level that cannot be in the units of the images."""
    if isinstance(noise_std, Real) and noise_std > data_range:
        warn_caller(
            f"noise_std={noise_std:g} is more than the whole range of X, "
            f"{data_range:g}. It is in the units of X: 25 of 255 is 0.098 of 1.",
            NoiseWarning,
        )


def check_noise_levels(noise_std, images: ImageBatch) -> ImageBatch:
    """Validate noise levels of images or of pixels; views of the images' shapes."""
    parts, _ = as_images(noise_std)
    if not isinstance(parts, list | tuple):
        parts = np.asarray(parts)
        if parts.ndim == 0 and parts.dtype.kind in "iuf":
            parts = np.full(len(images), float(parts))
        if parts.ndim == 0:
            parts = []
    if len(parts) != len(images):
        raise ValueError(
            "noise_std must hold a level for all images of X, one for each, or one for "
            "each of its pixels, "
            f"got {noise_std!r} for {len(images)} image(s)."
        )
    levels = []
    for i, (part, image) in enumerate(zip(parts, images.data, strict=True)):
        level = np.asarray(part)
        if level.ndim == images.ndim and images.has_channels:
            level = level[..., None]
        ways = ((), image.shape, (*image.shape[: images.ndim], 1))
        if level.dtype.kind not in "iuf" or level.shape not in ways:
            raise ValueError(
                "noise_std must be numbers, one per image or of the shapes of X, got "
                f"{level.dtype} of shape {level.shape} for image {i} of {image.shape}."
            )
        if not (np.isfinite(level).all() and (level >= 0).all()):
            raise ValueError(
                f"noise_std must be finite and non-negative, got {level.min():g} to "
                f"{level.max():g} for image {i}."
            )
        levels.append(np.broadcast_to(level, image.shape))
    if images.container == "stack":
        levels = np.stack(levels)
    return replace(images, data=levels)


def pair_noise_std(images, target, psf=None, weights=None) -> float:
    """Root mean square of what the blur does not explain, away from the borders.

    Pixels of weight 0 do not count. Where next to nothing is away from the borders, it
    is estimated.
    """
    pairs = zip(images.images(), target.images(images.float_dtype), strict=True)
    misfits = [
        _squared_misfit(x, y, psf, weight)
        for (x, y), weight in zip(pairs, _each(weights), strict=False)
    ]
    if psf is None or sum(count for _, count in misfits) >= FEW:
        return float(torch.stack([error for error, _ in misfits]).mean().sqrt())
    levels = [
        estimate_noise_std(x, x.ndim - 2, weight=weight)
        for x, weight in zip(images.images(), _each(weights), strict=False)
    ]
    return float(torch.cat(levels).square().mean().sqrt())


def _each(weights):
    return repeat(None) if weights is None else weights.images()


def _squared_misfit(x, y, psf, weight):
    """Mean squared misfit, and of how many pixels."""
    known = torch.ones_like(x) if weight is None else (weight > 0).to(x)
    if psf is not None:
        blur = Blur.unchecked(psf, "reflect")
        room = zip(x.shape[2:], blur.margins, strict=True)
        inside = [slice(before, n - after) for n, (before, after) in room]
        x, y, known = (v[(..., *inside)] for v in (x, blur(y), known))
    count = known.sum()
    error = torch.where(known > 0, x - y, 0)  # hidden pixels hold anything
    return error.square().sum() / count.clamp_min(1), int(count)
