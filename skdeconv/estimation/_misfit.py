"""Whether a point spread function can have made an image."""

import math

import numpy as np
import torch
from torch import Tensor

from skdeconv.estimation._spectrum import blurred_gain, periodogram
from skdeconv.operators._fourier import radial_frequency

# Waves that the blur leaves at least this share of their power tell the power law of
# the image, which falls between not at all (points) and this steeply.
WELL, STEEPEST = 0.3, 2.5

# Weaker waves are looked at in half decades of their share, down to 10 to minus this.
DECADES = 4.5

# Fewer waves do not tell: of a law, of a half decade.
LAW, COUNT = 60, 24

# Median power over the expected one, from which on the blur cannot have made it. Of 44
# images behind 13 PSFs with 5 kinds of noise, 256 pixels wide, one run had more.
BOUND = 3.0

# Under strong noise: that ratio, what is more than noise over the expected power, and
# the waves that it takes to tell them.
STRONG, MANY, COUNT_STRONG = 1.4, 8.0, 200

# Exponentially distributed power of mean 1 has the median log 2, and a logarithm with
# the mean -0.577.
LN2, EULER = math.log(2), 0.5772


def unexplained_noise_std(
    y: Tensor, psf: np.ndarray, noise_std: Tensor, white: Tensor | None = None
) -> Tensor:
    r"""Noise level that stands for what a blur leaves unexplained.

    Natural images lose power with the frequency, by a law that the waves tell which the
    blur spares. Where it spares nothing, there should be noise only. If there plainly
    is more, the PSF is wider than what blurred the image, and undoing it would amplify
    without limit what was never weakened.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Blurred, noisy images.
    psf : ndarray
        The supposed blur.
    noise_std : Tensor of shape (batch,)
        Standard deviation of the noise.
    white : Tensor of bool of shape (batch,) or None, default=None
        Whether the noise may pass for white: power that is only half as much again as
        that of the noise tells something then. None stands for all.

    Returns
    -------
    noise_std : Tensor of shape (batch,)
        Level of white noise, besides the given one, with which Wiener's filter makes of
        the worst waves about what they are: the power `e` is expected, `d` is seen, and
        the variance is :math:`\sqrt{e d} - e`. 0 where the PSF can have made the image,
        and where too few waves are weakened to tell.
    """
    shape = tuple(y.shape[2:])
    nothing = torch.zeros_like(noise_std)
    power = periodogram(y, len(shape))
    flat = torch.full((1,), 2.0, dtype=y.dtype, device=y.device)
    share = blurred_gain(psf, shape, flat)[0].clamp(torch.finfo(y.dtype).tiny, 1)
    frequency = radial_frequency(shape, device=y.device, dtype=y.dtype)
    known = frequency > 2 / min(shape)  # what the taper leaves of structure
    power, share, frequency = power[:, known], share[known], frequency[known]
    spared = share > WELL
    if spared.sum() < LAW:
        return nothing
    # The highest waves tell of noise that grows with intensity, which has no one level.
    highest = frequency >= torch.quantile(frequency, 0.9)
    noise = torch.maximum(noise_std.square(), _typical(power[:, highest]))[:, None]
    clean = torch.maximum(power - noise, 1e-3 * power)
    expected = share * _law(clean / share, spared, frequency, len(shape))
    decade = -2 * share.log10()  # half ones
    worst, found = nothing, torch.zeros_like(nothing, dtype=torch.bool)
    for step in range(1, int(2 * DECADES)):
        weak = (decade >= step) & (decade < step + 1)
        if weak.sum() < COUNT:
            continue
        ratio = _typical(power[:, weak] / (expected[:, weak] + noise))
        seen = (_typical(power[:, weak]) - noise[:, 0]).clamp_min(0)
        due = expected[:, weak].median(1).values
        excess = (due * seen).sqrt() - due
        plain = ratio > BOUND
        if weak.sum() >= COUNT_STRONG:
            strong = (ratio > STRONG) & (seen > MANY * due)
            plain |= strong if white is None else strong & white
        found |= plain
        worst = torch.maximum(worst, excess)
    return worst.where(found, 0).sqrt()


def _typical(power):
    """Mean of exponentially distributed values, a few large ones left aside."""
    return power.median(1).values / LN2


def _law(power, known, frequency, ndim):
    """Power law of images, fitted where it is known."""
    octaves = -frequency.log()
    weight = known * frequency**-ndim  # each octave counts alike
    weight = weight / weight.sum()
    logs = power.clamp_min(torch.finfo(power.dtype).tiny).log().where(known, 0)
    centre = (weight * octaves).sum()
    height = (weight * logs).sum(1, keepdim=True)
    slope = (weight * (octaves - centre) * (logs - height)).sum(1, keepdim=True)
    slope = slope / (weight * (octaves - centre).square()).sum()
    # Exponentially distributed power has a mean logarithm below that of its mean.
    return (height + EULER + slope.clamp(0, STEEPEST) * (octaves - centre)).exp()
