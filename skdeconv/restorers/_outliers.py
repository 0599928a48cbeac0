"""Pixels that no blur explains: hot, dead or stuck ones."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from skdeconv._warnings import warn_caller
from skdeconv.estimation._noise import slabs
from skdeconv.exceptions import OutlierWarning
from skdeconv.restorers._noise_behind import spanned

# A pixel stands out that differs from the nearest of its neighbours by more than this
# part of what the image spans and this multiple of the span of them all. Warned is
# where more than this share of the pixels do, and more than a few: parts of 24 to 60
# pixels squared of blurred photographs have up to three, at noise of a tenth of the
# range.
LEAST, MULTIPLE, SHARE, FEW = 0.05, 2.0, 5e-4, 3


def warn_of_outliers(
    x: Tensor, psf: np.ndarray | None, data_range: float, weight: Tensor | None
) -> None:
    """Warn of pixels that stand out of a blurred image further than points do."""
    if psf is None or weight is not None:
        return
    if psf.ndim == 1:  # two neighbours do not tell
        return
    point = torch.from_numpy(np.pad(psf, 2)).to(x)[None, None]
    limit = max(MULTIPLE, 2 * float(_prominence(point, x.new_zeros(1)).max()))
    x = slabs(x)
    least = LEAST * spanned(x, data_range)
    found = (_prominence(x, least) > limit).flatten(1).sum(1)
    n_pixels = x[0].numel()
    if (found > max(FEW, SHARE * n_pixels)).any():
        warn_caller(
            f"{100 * int(found.max()) / n_pixels:.2g} % of the pixels of an image "
            "stand out as no blurred scene does; hot or dead pixels ruin a "
            "restoration. Pass a mask that is 0 where they are.",
            OutlierWarning,
        )


def _prominence(x, least):
    """Distance to the nearest neighbour, where more than `least`, over their span."""
    ndim = x.ndim - 2
    least = least.repeat_interleave(x.shape[1]).reshape(-1, *(1,) * ndim)
    shape = x.shape
    x = F.pad(x.flatten(0, 1)[:, None], (1, 1) * ndim, mode="replicate")[:, 0]
    low = high = None
    for place in np.ndindex(*(3,) * ndim):
        if all(k == 1 for k in place):
            continue
        part = x
        for axis, k in enumerate(place, 1):
            part = part.narrow(axis, k, shape[axis + 1])
        low = part if low is None else torch.minimum(low, part)
        high = part if high is None else torch.maximum(high, part)
    x = x[(slice(None), *(slice(1, -1),) * ndim)]
    excess = torch.maximum(x - high, low - x)
    # Among single photons most neighbours are alike, and the usual span counts.
    usual = (high - low).flatten(1).median(1).values
    span = torch.maximum(high - low, usual.reshape(-1, *(1,) * ndim))
    tiny = torch.finfo(x.dtype).tiny
    return torch.where(excess > least, excess / (span + tiny), 0).reshape(shape)
