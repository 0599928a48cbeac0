"""What comes beside images and must fit them: clean images, weights, a PSF."""

from collections.abc import Callable

import numpy as np
from sklearn.utils.validation import check_array

from skdeconv._images import ImageBatch, as_images, check_images


def check_target(
    y, images: ImageBatch, output_shape: Callable = tuple, finer: bool = False
) -> ImageBatch:
    """Validate clean images against the images they belong to.

    Their spatial shapes are what `output_shape` makes of those of the images. Signals
    (``ndim=1``) may come with one number each, which stands for a constant signal. With
    `finer`, axes may be longer by a whole factor, the same for all of them.
    """
    if y is None:
        raise ValueError(
            "This estimator requires y to be passed, but the target y is None. "
            "Pass clean images, as in fit(X, y). Where there are none, a parameter "
            "degradation makes the pairs, or supervision of DeconvRestorer does "
            "without."
        )
    data, container = as_images(y)
    one_axis = container == "stack" and np.asarray(data).ndim == 1
    if one_axis and images.ndim == 1 and images.container == "stack":
        levels = check_array(y, ensure_2d=False, dtype="numeric", input_name="y")
        if len(levels) != len(images):
            raise ValueError(
                f"X and y must hold the same number of images, got {len(images)} and "
                f"{len(levels)}."
            )
        shape = (*output_shape(images.data.shape[1:2]), *images.data.shape[2:])
        levels = levels.reshape(-1, *[1] * len(shape))
        levels = np.broadcast_to(levels, (len(images), *shape))
        return ImageBatch(levels, 1, images.has_channels, "stack")
    target = check_images(y, ndim=images.ndim, name="y")
    if len(target) != len(images):
        raise ValueError(
            f"X and y must hold the same number of images, got {len(images)} and "
            f"{len(target)}."
        )
    if target.has_channels != images.has_channels:
        raise ValueError("X and y must both have a channel axis, or neither.")
    factors = set()
    for i, (a, b) in enumerate(zip(images.data, target.data, strict=True)):
        expected = (*output_shape(a.shape[: images.ndim]), *a.shape[images.ndim :])
        factor = _factor(expected, b.shape, images.ndim)
        factors.add(factor)
        if factor == 1 or (finer and factor):
            continue
        hint = f" upscale={factor} refines pixels that much." if factor else ""
        if expected == a.shape:
            raise ValueError(
                f"X and y must have the same shapes, got {a.shape} and {b.shape} for "
                f"image {i}.{hint}"
            )
        raise ValueError(
            f"y must have the shape {expected} that X of {a.shape} is restored to, got "
            f"{b.shape} for image {i}."
        )
    if len(factors) > 1:
        raise ValueError(
            "X and y must have the same shapes, or those of y be longer by the same "
            f"factor for all images, got factors {sorted(factors)}."
        )
    return target


def _factor(shape, other, ndim):
    """How many times longer all spatial axes of the other are, if it is a whole one."""
    factor = other[0] // shape[0]
    longer = (*(factor * n for n in shape[:ndim]), *shape[ndim:])
    return factor if longer == other else None


def check_mask(mask, images: ImageBatch) -> ImageBatch:
    """Validate pixel weights; the answer has the shapes of the images.

    Parameters
    ----------
    mask : array-like or list
        Bool, or numbers in [0, 1]; 0 marks a pixel that tells nothing. Of the shapes of
        the images, or of those without the channel axis.
    images : ImageBatch
        What the weights belong to.

    Returns
    -------
    weights : ImageBatch
        Views where the channel axis was left out.
    """
    data, container = as_images(mask)
    parts = data if container != "stack" else np.asarray(data)
    if container == "stack" and parts.ndim == 0:
        raise ValueError(
            "mask must be an array or a list of arrays, of the shapes of X, got "
            f"{mask!r}."
        )
    one = images.data[0].shape
    if container == "stack" and parts.shape in (one, one[: images.ndim]):
        raise ValueError(
            f"mask must have a sample axis as X has, got shape {parts.shape}. Reshape "
            f"your data: mask[None] for one image, or np.stack([mask] * {len(images)}) "
            "for all images."
        )
    if len(parts) != len(images):
        raise ValueError(
            "mask and X must hold the same number of images, got "
            f"{len(parts)} and {len(images)}."
        )
    weights = []
    for i, (part, image) in enumerate(zip(parts, images.data, strict=True)):
        part = np.asarray(part)
        if part.dtype.kind not in "biuf":
            raise ValueError(f"mask must be bool or numeric, got {part.dtype}.")
        if part.ndim == images.ndim and images.has_channels:
            part = part[..., None]
        if part.shape not in (image.shape, (*image.shape[: images.ndim], 1)):
            raise ValueError(
                f"mask must have the shapes of X, or those without the channel axis, "
                f"got {part.shape} for image {i} of {image.shape}."
            )
        if not np.all((part >= 0) & (part <= 1)):
            raise ValueError(
                "mask must be bool or within [0, 1], 0 for pixels that are not to be "
                f"trusted; got values from {part.min():g} to {part.max():g}."
            )
        if not np.any(part):
            raise ValueError(
                "mask must be above 0 somewhere in every image, got all zero for image "
                f"{i}: 0 hides a pixel, 1 shows it."
            )
        weights.append(np.broadcast_to(part, image.shape))
    if images.container == "stack":
        weights = np.stack(weights)
    return ImageBatch(weights, images.ndim, images.has_channels, images.container)


def check_psf_fits(psf: np.ndarray, images: ImageBatch) -> None:
    """Refuse a PSF that is larger than an image."""
    for shape in set(images.shapes):
        if any(n < k for n, k in zip(shape, psf.shape, strict=True)):
            signal = f" (n_features = {shape[0]})" if len(shape) == 1 else ""
            raise ValueError(
                f"psf must not be larger than the images, got {psf.shape} and an image "
                f"of {shape}{signal}."
            )
