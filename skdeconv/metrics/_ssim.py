"""Structural similarity."""

import numpy as np

from skdeconv._images import Images
from skdeconv.metrics._psnr import check_pair

STD = 1.5
RADIUS = 5  # int(3.5 * STD + 0.5): an 11-pixel window
K1, K2 = 0.01, 0.03


def structural_similarity(
    x: "torch.Tensor",  # noqa: F821
    y: "torch.Tensor",  # noqa: F821
    *,
    data_range: float,
    ndim: int = 2,
) -> "torch.Tensor":  # noqa: F821
    r"""Structural similarity of tensors, differentiable.

    Gaussian window of standard deviation 1.5 (11 pixels per axis), population
    variances, constants 0.01 and 0.03; averaged over the pixels whose window lies in
    the image, and over channels.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Images.
    y : Tensor of shape (batch, channels, *spatial)
        Images to compare with.
    data_range : float
        Span of the intensities.
    ndim : int, default=2
        Number of spatial axes.

    Returns
    -------
    ssim : Tensor of shape (batch,)
        At most 1, for equal images.

    Raises
    ------
    ValueError
        If an image is smaller than the window.

    See Also
    --------
    ssim : The same for arrays.

    References
    ----------
    .. [1] Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality
       assessment: from error visibility to structural similarity", IEEE Trans. Image
       Process. 13(4), 2004. :doi:`10.1109/TIP.2003.819861`

    Examples
    --------
    >>> import torch
    >>> from skdeconv.metrics import structural_similarity
    >>> x = torch.rand(2, 1, 16, 16)
    >>> structural_similarity(x, x, data_range=1.0)
    tensor([1., 1.])
    """
    window = 2 * RADIUS + 1
    if min(x.shape[-ndim:]) < window:
        raise ValueError(
            f"images must have at least {window} pixels along each axis for ssim, got "
            f"{tuple(x.shape[-ndim:])}."
        )
    return windowed_similarity(x, y, data_range, (RADIUS,) * ndim)


def windowed_similarity(x, y, data_range: float, radii: tuple[int, ...]):
    """Structural similarity under a window of a radius for each spatial axis."""
    mean_x, mean_y = _smooth(x, radii), _smooth(y, radii)
    var_x = _smooth(x * x, radii) - mean_x * mean_x
    var_y = _smooth(y * y, radii) - mean_y * mean_y
    cov = _smooth(x * y, radii) - mean_x * mean_y
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * cov + c2) / (var_x + var_y + c2)
    return (luminance * structure).flatten(1).mean(1)


def _smooth(x, radii):
    """Gaussian window along every spatial axis, without padding."""
    import torch  # noqa: PLC0415 - metrics load without torch

    for axis, radius in zip(range(-len(radii), 0), radii, strict=True):
        offsets = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
        kernel = torch.exp(-0.5 * (offsets / STD) ** 2)
        kernel = (kernel / kernel.sum())[None, None]
        rows = x.movedim(axis, -1)
        flat = rows.reshape(-1, 1, rows.shape[-1])
        smooth = torch.nn.functional.conv1d(flat, kernel)
        x = smooth.reshape(*rows.shape[:-1], -1).movedim(-1, axis)
    return x


def ssim(
    y_true: Images,
    y_pred: Images,
    *,
    data_range: float,
    ndim: int = 2,
    reduction: str = "mean",
) -> float | np.ndarray:
    """Structural similarity of images.

    Equal to :func:`skimage.metrics.structural_similarity` with ``gaussian_weights=True,
    sigma=1.5, use_sample_covariance=False``, on any number of images at once.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
        Clean images.
    y_pred : array-like or list, of the shapes of `y_true`
        Restored images.
    data_range : float
        Span of the intensities, such as 255 for 8-bit images; never guessed.
    ndim : int, default=2
        Number of spatial axes; one axis more is the channels'.
    reduction : {"mean", "none"}, default="mean"
        Whether to average over the images.

    Returns
    -------
    ssim : float or ndarray of shape (n_samples,)
        At most 1; larger is better.

    Raises
    ------
    ValueError
        If shapes differ, `data_range` is not positive or an image is smaller than 11
        pixels along an axis.

    See Also
    --------
    psnr : Peak signal-to-noise ratio.
    structural_similarity : The same for tensors, differentiable.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeconv.metrics import ssim
    >>> clean = np.random.default_rng(0).random((2, 16, 16))
    >>> ssim(clean, clean, data_range=1.0)
    1.0
    """
    true, pred = check_pair(y_true, y_pred, data_range, ndim, reduction)
    options = {"data_range": data_range, "ndim": ndim}
    values = np.concatenate(
        [
            structural_similarity(x, y, **options).numpy()
            for x, y in zip(
                true.images(np.float64), pred.images(np.float64), strict=True
            )
        ]
    )
    return float(values.mean()) if reduction == "mean" else values
