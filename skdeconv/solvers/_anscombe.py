r"""A transform that brings noise of counted light to one level, and its way back.

The variance of the noise is a line, ``gain * intensity + offset``: light that is
counted, a factor ``gain`` per photon, with Gaussian noise of reading.
"""

from math import sqrt

import torch
from torch import Tensor

# The transform of no light: the least value that has an inverse.
DARK = sqrt(3 / 2)


def anscombe(x: Tensor, gain: float | Tensor, offset: float | Tensor) -> Tensor:
    r"""Transform images so that noise of a growing variance has deviation 1.

    .. math:: f(x) = \frac{2}{g} \sqrt{\max(0,\, g x + \tfrac{3}{8} g^2 + o)}

    for a variance of :math:`g x + o`, the generalised Anscombe transform [1]_. With
    reading noise of deviation :math:`\sigma` on a black level :math:`b` the offset is
    :math:`\sigma^2 - g b`. The deviation is close to 1 for a few photons per pixel and
    more, or with reading noise.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Noisy images.
    gain : float or Tensor of shape (batch,) or that of x
        Growth of the variance with the intensity, in the units of `x`. Where it is 0,
        images are divided by the root of the offset.
    offset : float or Tensor of shape (batch,) or that of x
        Variance at an intensity of 0, in squared units of `x`; negative where black is
        above 0. Positive where the gain is 0.

    Returns
    -------
    stable : Tensor of the shape of x
        Images with noise of deviation 1.

    References
    ----------
    .. [1] J.-L. Starck, F. Murtagh and A. Bijaoui, "Image Processing and Data
       Analysis", Cambridge University Press, 1998. :doi:`10.1017/CBO9780511564352`
    """
    gain, offset = (_per_image(v, x) for v in (gain, offset))
    grows = gain > 0
    unit = gain.where(grows, torch.ones_like(gain))
    photons = x / unit + 3 / 8 + offset / unit.square()
    # Not below the least positive number: the slope of a root at 0 is not finite.
    root = 2 * photons.clamp_min(torch.finfo(x.dtype).tiny).sqrt()
    return torch.where(grows, root, x * _scale(grows, offset).reciprocal())


def inverse_anscombe(
    stable: Tensor, gain: float | Tensor, offset: float | Tensor
) -> Tensor:
    r"""Bring what was restored from transformed images back to intensities.

    The mean of a transform is not the transform of the mean: the algebraic inverse
    would make dark parts too dark. This one takes the mean of transformed noisy values
    to the intensity that they come from; it is the closed form of Mäkitalo and Foi
    [1]_, [2]_, within 0.05 photons of the exact one,

    .. math:: \frac{D^2}{4} + \frac{1}{4} \sqrt{\tfrac{3}{2}} D^{-1}
              - \frac{11}{8} D^{-2} + \frac{5}{8} \sqrt{\tfrac{3}{2}} D^{-3}
              - \frac{1}{8} - \frac{o}{g^2}

    photons. What is below the transform of no light counts as no light.

    Parameters
    ----------
    stable : Tensor of shape (batch, channels, *spatial)
        Restored images, as :func:`anscombe` transforms.
    gain : float or Tensor of shape (batch,) or that of x
        That of the transform.
    offset : float or Tensor of shape (batch,) or that of x
        That of the transform.

    Returns
    -------
    x : Tensor of the shape of stable
        Intensities.

    References
    ----------
    .. [1] M. Mäkitalo and A. Foi, "A closed-form approximation of the exact unbiased
       inverse of the Anscombe variance-stabilizing transformation", IEEE Transactions
       on Image Processing 20, 2011. :doi:`10.1109/TIP.2011.2121085`
    .. [2] M. Mäkitalo and A. Foi, "Optimal inversion of the generalized Anscombe
       transformation for Poisson-Gaussian noise", IEEE Transactions on Image
       Processing 22, 2013. :doi:`10.1109/TIP.2012.2202675`
    """
    gain, offset = (_per_image(v, stable) for v in (gain, offset))
    grows = gain > 0
    unit = gain.where(grows, torch.ones_like(gain))
    d = stable.clamp_min(DARK)
    photons = d.square() / 4 - 1 / 8
    photons = photons + (DARK / 4 - (11 / 8 - 5 / 8 * DARK / d) / d) / d
    counted = unit * photons - offset / unit
    return torch.where(grows, counted, stable * _scale(grows, offset))


def _per_image(value, x):
    value = torch.as_tensor(value, dtype=x.dtype, device=x.device)
    return value.reshape(-1, *(1,) * (x.ndim - 1)) if value.ndim == 1 else value


def _scale(grows, offset):
    """Deviation of noise that does not grow."""
    return torch.where(grows, 1, offset).sqrt()
