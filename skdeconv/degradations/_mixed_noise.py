"""Noises of two kinds at once, and outliers."""

from numbers import Real

import torch
from torch import Generator, Tensor

from skdeconv._ranges import check_data_range
from skdeconv.degradations._noise import GaussianNoise, Noise, PoissonNoise
from skdeconv.degradations._strengths import Strength, show_strength


class PoissonGaussianNoise(Noise):
    r"""Photon and read-out noise: :math:`y = g \, \mathrm{Poisson}(x / g) + n`.

    Parameters
    ----------
    gain : float or (float, float)
        Intensity of one photon, positive, in the units of the images.
    std : float or (float, float)
        Standard deviation of the Gaussian part, non-negative: the variance of the noise
        is `gain` times the intensity, plus its square. Nothing is clipped. Of ranges,
        every image gets values of its own, uniform over them.

    Raises
    ------
    ValueError
        If `gain` is not positive, `std` is negative, or either is not finite; when
        called, if an image is negative.

    See Also
    --------
    GaussianNoise : Additive noise.
    PoissonNoise : Noise of counting photons.

    Examples
    --------
    >>> import torch
    >>> from skdeconv.degradations import PoissonGaussianNoise
    >>> noise = PoissonGaussianNoise(gain=0.5, std=0.1)
    >>> noise(torch.ones(1, 1, 4, 4), torch.Generator().manual_seed(0)).shape
    torch.Size([1, 1, 4, 4])
    """

    def __init__(self, gain: Strength, std: Strength):
        self._photons, self._reading = PoissonNoise(gain), GaussianNoise(std)

    @property
    def gain(self) -> Strength:
        return self._photons.gain

    @property
    def std(self) -> Strength:
        return self._reading.std

    def __repr__(self):
        return (
            f"PoissonGaussianNoise(gain={show_strength(self.gain)}, "
            f"std={show_strength(self.std)})"
        )

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        return self._reading(self._photons(x, generator), generator)


class SaltAndPepperNoise(Noise):
    """Pixels that are white or black, whatever the scene.

    Parameters
    ----------
    fraction : float
        Expected share of such pixels, from 0 to 1; half of them are white. Channels
        are struck one by one.
    data_range : float, default=1.0
        White; black is 0.

    Raises
    ------
    ValueError
        If `fraction` is not in [0, 1] or `data_range` is not positive and finite.

    See Also
    --------
    GaussianNoise : Additive noise.
    skdeconv.MedianRestorer : Removes it.

    Examples
    --------
    >>> import torch
    >>> from skdeconv.degradations import SaltAndPepperNoise
    >>> noise = SaltAndPepperNoise(fraction=0.5)
    >>> grey = torch.full((1, 1, 4, 4), 0.5)
    >>> noise(grey, torch.Generator().manual_seed(0)).unique()
    tensor([0.0000, 0.5000, 1.0000])
    """

    def __init__(self, fraction: float, data_range: float = 1.0):
        number = isinstance(fraction, Real) and not isinstance(fraction, bool)
        if not number or not 0 <= fraction <= 1:
            raise ValueError(f"fraction must be a number in [0, 1], got {fraction!r}.")
        self.fraction = float(fraction)
        self.data_range = check_data_range(data_range)

    def __repr__(self):
        return (
            f"SaltAndPepperNoise(fraction={self.fraction:.4g}, "
            f"data_range={self.data_range:.4g})"
        )

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        dice = torch.rand(x.shape, device=x.device, generator=generator)
        struck = torch.where(dice < self.fraction / 2, self.data_range, 0.0)
        return torch.where(dice < self.fraction, struck.to(x), x)
