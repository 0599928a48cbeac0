"""Pixels that no scene explains: hot, dead or stuck ones, salt and pepper."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from skdeconv._warnings import warn_caller
from skdeconv.estimation import estimate_noise_std
from skdeconv.estimation._noise import slabs
from skdeconv.exceptions import OutlierWarning
from skdeconv.restorers._noise_behind import spanned

# A pixel stands out that differs from the nearest of its neighbours by more than this
# part of what the image spans and this multiple of the span of them all. Warned is
# where more than this share of the pixels do, and more than a few: parts of 24 to 60
# pixels squared of blurred photographs have up to three, at noise of a tenth of the
# range.
LEAST, MULTIPLE, SHARE, FEW = 0.05, 2.0, 5e-4, 3

# In sharp images points and specks do, too: up to 0.001 of the pixels of 233 images and
# photographs, clean and under Gaussian and photon noise.
SHARE_OF_SHARP, FEW_OF_SHARP = 2e-3, 7

# The span of neighbours that counts at least is this quantile of all. Among outliers
# that lie dense in a sharp image, few neighbourhoods have none.
USUAL, USUAL_OF_SHARP = 0.5, 0.1

# What stands out by less than this multiple of the noise level may be noise; so may
# what does by so many steps of whole counts, where nothing stands out to the dark.
NOISES, COUNTS, BALANCED = 3.0, 4.0, 0.05

# Of larger sharp images so many pixels are looked at, and for a quantile so many.
ENOUGH, FOR_QUANTILE = 2**16, 2**14


def warn_of_outliers(
    x: Tensor, psf: np.ndarray | None, data_range: float, weight: Tensor | None
) -> None:
    """Warn of pixels that stand out of an image further than its scene can."""
    if weight is not None or x.ndim == 3:  # two neighbours do not tell
        return
    x = slabs(x, ENOUGH) if psf is None else slabs(x)
    least = LEAST * spanned(x, data_range)
    n_pixels = x[0].numel()
    if psf is None:
        most = max(FEW_OF_SHARP, SHARE_OF_SHARP * n_pixels)
        found = _count_impulses(x, least, most)
        message = (
            "stand out of their neighbours as salt and pepper or hot pixels do; "
            "they are left as they are. MedianRestorer removes them; restorers that "
            "take masks fill what a mask hides."
        )
    else:
        point = torch.from_numpy(np.pad(psf, 2)).to(x)[None, None]
        highest = _prominence(point, x.new_zeros(1), USUAL).max()
        limit = max(MULTIPLE, 2 * float(highest))
        most = max(FEW, SHARE * n_pixels)
        found = _count(_prominence(x, least, USUAL).abs() > limit)
        message = (
            "stand out as no blurred scene does; hot or dead pixels ruin a "
            "restoration. Pass a mask that is 0 where they are."
        )
    if (found > most).any():
        percent = 100 * int(found.max()) / n_pixels
        warn_caller(
            f"{percent:.2g} % of the pixels of an image {message}", OutlierWarning
        )


def _count_impulses(x, least, most):
    """How many pixels of sharp images stand out: neither noise nor single counts."""
    height = _prominence(x, least, USUAL_OF_SHARP)
    found = _count(height.abs() > MULTIPLE)
    if not (found > most).any():
        return found
    bright, dark = _count(height > MULTIPLE), _count(height < -MULTIPLE)
    one_sided = torch.minimum(bright, dark) < BALANCED * found
    allowed = NOISES * estimate_noise_std(x, x.ndim - 2)
    allowed += COUNTS * torch.where(one_sided, _step(x), 0)
    height = _prominence(x, torch.maximum(least, allowed), USUAL_OF_SHARP)
    return _count(height.abs() > MULTIPLE)


def _step(x):
    """The least difference between two values of each image."""
    steps = [values.unique().diff() for values in x]
    return torch.stack([step.min() if len(step) else x.new_zeros(()) for step in steps])


def _count(found):
    return found.flatten(1).sum(1)


def _prominence(x, least, usual):
    """Distance to the nearest neighbour over the span of all, negative if darker.

    It is 0 where the distance is not more than `least`.
    """
    ndim = x.ndim - 2
    least = least.repeat_interleave(x.shape[1]).reshape(-1, *(1,) * ndim)
    shape = x.shape
    x = F.pad(x.flatten(0, 1)[:, None], (1, 1) * ndim, mode="replicate")[:, 0]
    low, high = _of_neighbours(x, torch.minimum), _of_neighbours(x, torch.maximum)
    x = x[(slice(None), *(slice(1, -1),) * ndim)]
    above, below = x - high, low - x
    span = high - low
    # Among single photons most neighbours are alike, and the usual span counts.
    some = span.flatten(1)
    some = some[:, :: 1 + some.shape[1] // FOR_QUANTILE]
    typical = some.kthvalue(max(1, round(usual * some.shape[1])), dim=1).values
    span = torch.maximum(span, typical.reshape(-1, *(1,) * ndim))
    excess = torch.where(above > least, above, torch.where(below > least, -below, 0))
    return (excess / (span + torch.finfo(x.dtype).tiny)).reshape(shape)


def _of_neighbours(x, least):
    """The least, or greatest, of the neighbours of each pixel but the outermost."""
    around, filled = None, x
    for axis in range(1, x.ndim):
        n = x.shape[axis] - 2
        before, at, after = (filled.narrow(axis, k, n) for k in range(3))
        sides = least(before, after)
        around = sides if around is None else least(around.narrow(axis, 1, n), sides)
        filled = least(sides, at)
    return around
