"""Training criteria, by name."""

from collections.abc import Mapping
from math import log
from numbers import Real

import torch
from torch import Tensor, nn

from skdeconv.metrics._ssim import RADIUS, windowed_similarity


class CharbonnierLoss(nn.Module):
    r"""Smooth absolute error: the mean of :math:`\sqrt{(p - t)^2 + \epsilon^2}`.

    Parameters
    ----------
    epsilon : float, default=1e-3
        Where the error turns from quadratic to linear, as a fraction of the data range.

    References
    ----------
    .. [1] P. Charbonnier et al., "Two deterministic half-quadratic regularization
       algorithms for computed imaging", ICIP 1994. :doi:`10.1109/ICIP.1994.413553`

    Examples
    --------
    >>> import torch
    >>> from skdeconv.neural import CharbonnierLoss
    >>> float(CharbonnierLoss(epsilon=1.0)(torch.zeros(4), torch.zeros(4)))
    1.0
    """

    def __init__(self, epsilon: float = 1e-3):
        super().__init__()
        self.epsilon = epsilon

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare predictions with targets.

        Parameters
        ----------
        prediction : Tensor
            Restored images, divided by the data range.
        target : Tensor of the shape of `prediction`
            Clean images, divided by the data range.

        Returns
        -------
        loss : Tensor
            Mean over all elements, a scalar.
        """
        return ((prediction - target).square() + self.epsilon**2).sqrt().mean()


class PSNRLoss(nn.Module):
    r"""Lost decibels: the mean of :math:`10 \log_{10}(1 + \mathrm{MSE} / \epsilon)`.

    But for a constant it is the PSNR, negated: an image that is nearly right already
    counts as much as one that is not, which suits noise of many levels [1]_.

    Parameters
    ----------
    epsilon : float, default=1e-5
        Mean squared error, as a fraction of the squared data range, below which little
        is left to gain; the default is a PSNR of 50 dB.

    References
    ----------
    .. [1] L. Chen, X. Chu, X. Zhang, J. Sun, "Simple baselines for image restoration",
       ECCV 2022. :doi:`10.1007/978-3-031-20071-7_2`

    Examples
    --------
    >>> import torch
    >>> from skdeconv.neural import PSNRLoss
    >>> loss = PSNRLoss(epsilon=1e-6)(torch.full((1, 1, 4), 0.1), torch.zeros(1, 1, 4))
    >>> round(float(loss), 1)
    40.0
    """

    def __init__(self, epsilon: float = 1e-5):
        super().__init__()
        self.epsilon = epsilon

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare predictions with targets.

        Parameters
        ----------
        prediction : Tensor of shape (batch, ...)
            Restored images, divided by the data range.
        target : Tensor of the shape of `prediction`
            Clean images, divided by the data range.

        Returns
        -------
        loss : Tensor
            Mean over the batch in decibels, a scalar.
        """
        error = (prediction - target).square().flatten(1).mean(1)
        return (10 / log(10)) * (error / self.epsilon).log1p().mean()


class SSIMLoss(nn.Module):
    r"""Loss of structure: :math:`1 - \mathrm{SSIM}(p, t)`, from 0 to 2.

    It is blind to small changes of brightness and contrast, and so best mixed with a
    pixelwise error, see :class:`MixedLoss`. The window is that of
    :func:`skdeconv.metrics.structural_similarity`; along an axis that is shorter than
    its 11 pixels it shrinks to the largest odd size that fits.

    See Also
    --------
    skdeconv.metrics.structural_similarity : The measure itself.

    References
    ----------
    .. [1] Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality
       assessment: from error visibility to structural similarity", IEEE Trans. Image
       Process. 13(4), 2004. :doi:`10.1109/TIP.2003.819861`

    Examples
    --------
    >>> import torch
    >>> from skdeconv.neural import SSIMLoss
    >>> x = torch.rand(2, 1, 16, 16)
    >>> float(SSIMLoss()(x, x))
    0.0
    """

    def __init__(self):
        super().__init__()

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare predictions with targets.

        Parameters
        ----------
        prediction : Tensor of shape (batch, channels, *spatial)
            Restored images, divided by the data range.
        target : Tensor of the shape of `prediction`
            Clean images, divided by the data range.

        Returns
        -------
        loss : Tensor
            Mean over batch and channels, a scalar.
        """
        radii = tuple(min(RADIUS, (n - 1) // 2) for n in prediction.shape[2:])
        return 1 - windowed_similarity(prediction, target, 1.0, radii).mean()


class FrequencyLoss(nn.Module):
    r"""Absolute error of the spectra: the mean of :math:`|F p - F t|`.

    F is the orthonormal real Fourier transform over the spatial axes; real and
    imaginary parts count one by one. What repeats over the whole image weighs as much
    as what is sharp in one place, so that fine texture is less easily given up.

    Notes
    -----
    After [1]_, where it is added with a weight of 0.1 to the absolute error; their
    transform is not normalised, and has the redundant half.

    References
    ----------
    .. [1] S.-J. Cho et al., "Rethinking coarse-to-fine approach in single image
       deblurring", ICCV 2021. :doi:`10.1109/ICCV48922.2021.00460`

    Examples
    --------
    >>> import torch
    >>> from skdeconv.neural import FrequencyLoss
    >>> x = torch.rand(2, 1, 16, 16)
    >>> float(FrequencyLoss()(x, x))
    0.0
    """

    def __init__(self):
        super().__init__()

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare predictions with targets.

        Parameters
        ----------
        prediction : Tensor of shape (batch, channels, *spatial)
            Restored images, divided by the data range.
        target : Tensor of the shape of `prediction`
            Clean images, divided by the data range.

        Returns
        -------
        loss : Tensor
            Mean over all frequencies, batch and channels, a scalar.
        """
        error = prediction - target
        axes = tuple(range(2, error.ndim))
        spectrum = torch.fft.rfftn(error, dim=axes, norm="ortho")
        return torch.view_as_real(spectrum).abs().mean()


class MixedLoss(nn.Module):
    """Weighted sum of criteria.

    Parameters
    ----------
    weights : dict of str to float, default=None
        Weight of each criterion, non-negative, by the name that `criterion` of
        :class:`~skdeconv.DeconvRestorer` has for it. ``None`` is ``{"ssim": 0.84,
        "l1": 0.16}``.

    Raises
    ------
    ValueError
        If `weights` is empty, has an unknown name, or a weight that is negative or not
        finite.

    Notes
    -----
    The default weights are those of [1]_, who use the similarity at several scales and
    a windowed absolute error.

    References
    ----------
    .. [1] H. Zhao, O. Gallo, I. Frosio, J. Kautz, "Loss functions for image restoration
       with neural networks", IEEE Trans. Comput. Imaging 3(1), 2017.
       :doi:`10.1109/TCI.2016.2644865`

    Examples
    --------
    >>> import torch
    >>> from skdeconv.neural import MixedLoss
    >>> loss = MixedLoss({"mse": 1.0, "l1": 0.5})
    >>> float(loss(torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)))
    1.5
    """

    def __init__(self, weights: Mapping[str, float] | None = None):
        super().__init__()
        if weights is None:
            weights = {"ssim": 0.84, "l1": 0.16}
        known = sorted(set(CRITERIA) - {"mixed"})
        if not (isinstance(weights, Mapping) and weights and set(weights) <= {*known}):
            raise ValueError(
                f"weights must map names among {known} to numbers, got {weights!r}."
            )
        for name, weight in weights.items():
            if not isinstance(weight, Real) or not 0 <= weight < float("inf"):
                raise ValueError(
                    f"weights[{name!r}] must be a non-negative number, got {weight!r}."
                )
        self.weights = dict(weights)
        self.criteria = nn.ModuleDict({name: CRITERIA[name]() for name in weights})

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare predictions with targets.

        Parameters
        ----------
        prediction : Tensor of shape (batch, channels, *spatial)
            Restored images, divided by the data range.
        target : Tensor of the shape of `prediction`
            Clean images, divided by the data range.

        Returns
        -------
        loss : Tensor
            The weighted sum, a scalar.
        """
        return sum(
            weight * self.criteria[name](prediction, target)
            for name, weight in self.weights.items()
        )


CRITERIA = {
    "mse": nn.MSELoss,
    "l1": nn.L1Loss,
    "charbonnier": CharbonnierLoss,
    "psnr": PSNRLoss,
    "ssim": SSIMLoss,
    "frequency": FrequencyLoss,
    "mixed": MixedLoss,
}

# Those that look at pixels together, and not one by one.
NEIGHBOURHOODS = {"psnr", "ssim", "frequency", "mixed"}
