"""The span of intensities: what fixes it, and what it must not be mixed with."""

from numbers import Real

import numpy as np

from skdeconv._images import DTYPE_RANGES, ImageBatch
from skdeconv._warnings import warn_caller
from skdeconv.exceptions import DataRangeWarning


def resolve_data_range(
    data_range: float | None,
    images: ImageBatch,
    target: ImageBatch | None = None,
    weights: ImageBatch | None = None,
) -> float:
    """Find the span of intensities, by the rules of the image contract.

    A number is taken as it is. ``None`` stands for the span of a bool, uint8 or uint16
    dtype of X or y, else for 1.0, unless the values plainly do not fit: then for the
    span of y, or of X where its weights are not 0, with a warning.
    """
    if data_range is not None:
        return float(data_range)
    batches = [images] if target is None else [target, images]
    spans = {DTYPE_RANGES.get(batch.range_kind) for batch in batches} - {None}
    if len(spans) > 1:
        raise ValueError(
            f"X and y must share one dtype range, got {images.range_kind} and "
            f"{target.range_kind}; convert one or pass data_range."
        )
    if spans:
        span = spans.pop()
        refuse_mixed_units(batches, span)
        return span
    low, high = extrema(images, weights) if target is None else extrema(target)
    integer = all(np.dtype(name).kind in "iu" for name in batches[0].dtypes)
    if not integer and fits_one(low, high):
        if target is not None and not fits_one(*extrema(images, weights)):
            warn_caller(
                "X lies far outside the range of 1 that y keeps to; both must be in "
                "the same units. Rescale one, or pass data_range.",
                DataRangeWarning,
            )
        return 1.0
    span = float(high - low) or 1.0
    warn_caller(
        f"data_range is None and intensities lie in [{low:g}, {high:g}], which do not "
        f"fit the default range of 1; taking their span {span:g}. Pass data_range to "
        "say what it is.",
        DataRangeWarning,
    )
    return span


def refuse_mixed_units(batches, span):
    """Catch one of X and y left in 0..255 while the other was divided by 255."""
    if len(batches) < 2 or span == 1 or len({b.range_kind for b in batches}) < 2:
        return
    typed, floating = sorted(batches, key=lambda batch: batch.range_kind == "float")
    typed_high, floating_high = extrema(typed)[1], extrema(floating)[1]
    if typed_high > 10 * max(1.5, abs(floating_high)) and floating_high <= 1.5:
        raise ValueError(
            "X and y must be in the same units, got one as "
            f"{typed.range_kind} up to {typed_high:g} and the other as floats up to "
            f"{floating_high:g}; rescale one or pass data_range."
        )


def check_range_of_step(name: str, data_range: float, images: ImageBatch) -> None:
    """Catch a step that clips to a range far from that of images; of files, two."""
    few = [i for i, x in enumerate(images.data) if i < 2 or not hasattr(x, "path")]
    low, high = extrema(images.select(few))
    known = DTYPE_RANGES.get(images.range_kind, 1.0) > 1
    if not fits_one(low / data_range, high / data_range) or (known and data_range == 1):
        raise ValueError(
            f"data_range of {name} must be that of the images, got {data_range:g} and "
            f"images of {images.range_kind} in [{low:g}, {high:g}], which it would "
            "clip. Pass theirs, such as data_range=255 for 8 bits."
        )
    if not known and 0 < high <= 1.5 and data_range >= 255:
        warn_caller(
            f"data_range={data_range:g} of {name} may not be that of the images, which "
            f"are floats up to {high:g}: they are nearly black to it.",
            DataRangeWarning,
        )


def fits_one(low: float, high: float) -> bool:
    """Whether intensities may have a range of 1, noise and ringing allowed for."""
    return low >= -4 and high <= 5


def extrema(
    batch: ImageBatch, weights: ImageBatch | None = None
) -> tuple[float, float]:
    """Smallest and largest value, of weights above 0."""
    parts = [batch.data] if batch.container == "stack" else batch.data
    if weights is not None:
        pairs = zip(batch.data, weights.data, strict=True)
        parts = [np.asarray(image)[weight > 0] for image, weight in pairs]
    return min(float(p.min()) for p in parts), max(float(p.max()) for p in parts)


def check_data_range(data_range, name: str = "data_range") -> float:
    """Refuse a span that is not a positive number."""
    real = isinstance(data_range, Real) and not isinstance(data_range, bool)
    if not real or not 0 < data_range < float("inf"):
        raise ValueError(f"{name} must be a positive number, got {data_range!r}.")
    return float(data_range)
