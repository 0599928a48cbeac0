"""Random disturbances of a camera."""

from abc import ABC, abstractmethod

import torch
from torch import Generator, Tensor

from skdeconv.degradations._strengths import (
    Strength,
    check_strength,
    draw_strength,
    show_strength,
)


class Noise(ABC):
    """Random disturbance of a batch of images."""

    @abstractmethod
    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Disturb images.

        Parameters
        ----------
        x : Tensor of shape (batch, channels, *spatial)
            Images; left as they are.
        generator : torch.Generator, default=None
            Source of randomness; ``None`` is torch's global one.

        Returns
        -------
        y : Tensor of the shape of x
            Noisy images.
        """


class GaussianNoise(Noise):
    """Additive white Gaussian noise.

    Parameters
    ----------
    std : float or (float, float)
        Standard deviation, non-negative, in the units of the images; of a range, every
        image gets a level of its own, uniform over it. Nothing is clipped.

    Raises
    ------
    ValueError
        If `std` is negative or not finite, or its range is not in order.

    See Also
    --------
    PoissonNoise : Noise of counting photons.

    Examples
    --------
    >>> import torch
    >>> from skdeconv.degradations import GaussianNoise
    >>> noise = GaussianNoise(std=0.1)
    >>> noise(torch.zeros(1, 1, 4, 4), torch.Generator().manual_seed(0)).shape
    torch.Size([1, 1, 4, 4])
    """

    def __init__(self, std: Strength):
        self.std = check_strength("std", std)

    def __repr__(self):
        return f"GaussianNoise(std={show_strength(self.std)})"

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        std = draw_strength(self.std, x, generator)
        noise = torch.randn(
            x.shape, dtype=x.dtype, device=x.device, generator=generator
        )
        return noise.mul_(std).add_(x)


class PoissonNoise(Noise):
    r"""Noise of counting photons: :math:`y = g \, \mathrm{Poisson}(x / g)`.

    Parameters
    ----------
    gain : float or (float, float)
        Intensity of one photon, positive, in the units of the images: the variance of
        the noise is `gain` times the intensity. Of a range, every image gets a gain of
        its own, uniform over it.

    Raises
    ------
    ValueError
        If `gain` is not positive and finite, or its range not in order; when called,
        if an image is negative.

    See Also
    --------
    GaussianNoise : Additive noise.

    Examples
    --------
    >>> import torch
    >>> from skdeconv.degradations import PoissonNoise
    >>> noise = PoissonNoise(gain=0.5)
    >>> noise(torch.ones(1, 1, 4, 4), torch.Generator().manual_seed(0)).shape
    torch.Size([1, 1, 4, 4])
    """

    def __init__(self, gain: Strength):
        self.gain = check_strength("gain", gain, positive=True)

    def __repr__(self):
        return f"PoissonNoise(gain={show_strength(self.gain)})"

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        # An FFT before this step leaves dark pixels negative by a rounding error.
        rounding = 1e-4 * x.abs().amax() if x.numel() else 0
        if (x < -rounding).any():
            raise ValueError(
                "PoissonNoise needs non-negative images, their minimum is "
                f"{float(x.min()):g}."
            )
        gain = draw_strength(self.gain, x, generator)
        photons = torch.poisson(x.clamp(min=0) / gain, generator=generator)
        return photons.mul_(gain)
