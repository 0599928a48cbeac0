"""Single photons: images of small whole counts."""

import torch
from torch import Tensor

from skdeconv.operators._pairs import displacements, overlap

# More different values than these, among so many pixels, are no small counts; nor is
# a mean of more photons, of which noise is told as that of any sensor.
VALUES, GLANCED, MOST = 64, 4096, 4.0

# Rounding that the multiples of a step may show.
ROUNDING = 1e-3

# The variance between neighbours, in units of the mean: 1 for photons, more by the
# scene, less in drawings. So many of its own deviations it may lie below.
LEAST, GREATEST, CHANCE = 0.9, 1.6, 3.0


def photon_step(x: Tensor, ndim: int, weight: Tensor | None = None) -> Tensor:
    """Tell what one photon adds, in images of few photons that were counted.

    Such an image holds small multiples of one step, and its neighbouring pixels differ
    by what the variance of counts, which is their mean, says.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Images.
    ndim : int
        Number of spatial axes.
    weight : Tensor broadcastable to the shape of x, or None, default=None
        Pixels of weight 0 are left out.

    Returns
    -------
    step : Tensor of shape (batch,)
        In the units of `x`; 0 for images that are not of that kind.
    """
    known = [None] * len(x) if weight is None else (weight > 0).expand(x.shape)
    steps = [_step(image, seen, ndim) for image, seen in zip(x, known, strict=True)]
    return torch.as_tensor(steps, dtype=x.dtype, device=x.device)


def _step(x, known, ndim):
    """The step of one image, or 0."""
    values = x.flatten() if known is None else x[known]
    if len(values[:: max(1, len(values) // GLANCED)].unique()) > VALUES:
        return 0.0
    levels = values.unique()
    if len(levels) < 2 or levels[0] < 0:
        return 0.0
    step = levels.diff().min().double()
    counts = levels.double() / step
    off = (counts - counts.round()).abs() / counts.clamp_min(1)
    mean = values.double().mean() / step
    if off.max() > ROUNDING or mean > MOST:
        return 0.0
    apart, n = 0.0, 0
    for d in displacements((1,) * ndim):
        here, there = overlap(d, x.shape[1:])
        square = (x[here] - x[there]).double().square()
        if known is not None:
            square = square[known[here] & known[there]]
        apart, n = apart + square.sum(), n + square.numel()
    if n == 0:
        return 0.0
    ratio = apart / n / (2 * step.square() * mean)
    chance = CHANCE * ((2 + 1 / mean) / len(values)).sqrt()
    return step.item() if LEAST - chance < ratio < GREATEST else 0.0
