"""Peak signal-to-noise ratio."""

import numpy as np

from skdeconv._images import Images, check_images
from skdeconv._ranges import check_data_range

# A perfect image would score infinity, which breaks means: the relative squared error
# counts as at least this, so no image scores more than 120 dB.
SMALLEST_ERROR = 1e-12

# Nor does the logarithm break where strengths are compared, of data that use a tiny
# part of their range.
NO_ERROR = 1e-300


def check_pair(y_true, y_pred, data_range, ndim, reduction):
    """Validate the arguments that all metrics share; give two batches of images."""
    if reduction not in ("mean", "none"):
        raise ValueError(f"reduction must be 'mean' or 'none', got {reduction!r}.")
    check_data_range(data_range)
    true = check_images(y_true, ndim=ndim, name="y_true")
    pred = check_images(y_pred, ndim=ndim, name="y_pred")
    shapes = [[image.shape for image in batch.data] for batch in (true, pred)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "y_true and y_pred must have the same shapes, got "
            f"{shapes[0]} and {shapes[1]}."
        )
    return true, pred


def image_psnr(
    true, pred, data_range: float, least: float = SMALLEST_ERROR
) -> np.ndarray:
    """PSNR of every image of two validated collections, in decibels."""
    errors = [
        np.mean(np.square(np.subtract(a, b, dtype=np.float64)))
        for a, b in zip(true, pred, strict=True)
    ]
    relative = np.maximum(np.array(errors) / float(data_range) ** 2, least)
    return -10 * np.log10(relative)


def psnr(
    y_true: Images,
    y_pred: Images,
    *,
    data_range: float,
    ndim: int = 2,
    reduction: str = "mean",
) -> float | np.ndarray:
    r"""Peak signal-to-noise ratio in decibels.

    .. math:: 10 \log_{10} \frac{R^2}{\frac1N \sum_i (t_i - p_i)^2}

    with R the `data_range` and the mean taken over all pixels and channels of one
    image; the mean over images is taken of the decibels.

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
    psnr : float or ndarray of shape (n_samples,)
        Decibels, larger is better; at most 120, so that it is always finite.

    Raises
    ------
    ValueError
        If shapes differ, images are not finite or `data_range` is not positive.

    See Also
    --------
    ssim : Structural similarity.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeconv.metrics import psnr
    >>> clean = np.zeros((2, 8, 8))
    >>> psnr(clean, clean + 0.1, data_range=1.0)
    20.0
    """
    true, pred = check_pair(y_true, y_pred, data_range, ndim, reduction)
    decibels = image_psnr(true.data, pred.data, data_range)
    return float(decibels.mean()) if reduction == "mean" else decibels
