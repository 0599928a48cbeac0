"""Random disturbances of a camera."""

from abc import ABC, abstractmethod
from numbers import Real

import torch
from torch import Generator, Tensor


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
    std : float
        Standard deviation, non-negative, in the units of the images. Nothing is
        clipped.

    Raises
    ------
    ValueError
        If `std` is negative or not finite.

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

    def __init__(self, std: float):
        if not isinstance(std, Real) or not 0 <= std < float("inf"):
            raise ValueError(f"std must be a non-negative number, got {std!r}.")
        self.std = float(std)

    def __repr__(self):
        return f"GaussianNoise(std={self.std:.4g})"

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        noise = torch.randn(
            x.shape, dtype=x.dtype, device=x.device, generator=generator
        )
        return noise.mul_(self.std).add_(x)


class PoissonNoise(Noise):
    r"""Noise of counting photons: :math:`y = g \, \mathrm{Poisson}(x / g)`.

    Parameters
    ----------
    gain : float
        Intensity of one photon, positive, in the units of the images: the variance of
        the noise is `gain` times the intensity.

    Raises
    ------
    ValueError
        If `gain` is not positive and finite, or, when called, if an image is negative.

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

    def __init__(self, gain: float):
        if not isinstance(gain, Real) or not 0 < gain < float("inf"):
            raise ValueError(f"gain must be a positive number, got {gain!r}.")
        self.gain = float(gain)

    def __repr__(self):
        return f"PoissonNoise(gain={self.gain:.4g})"

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        # An FFT before this step leaves dark pixels negative by a rounding error.
        rounding = 1e-4 * x.abs().amax() if x.numel() else 0
        if (x < -rounding).any():
            raise ValueError(
                "PoissonNoise needs non-negative images, their minimum is "
                f"{float(x.min()):g}."
            )
        photons = torch.poisson(x.clamp(min=0) / self.gain, generator=generator)
        return photons.mul_(self.gain)
