"""Pictures of an image and of what became of it."""

import numpy as np
from scipy.ndimage import uniform_filter

# The crop has this fraction of the image along each axis, and some pixels at least.
CROP_FRACTION = 0.25
CROP_PIXELS = 24
MARK = "#ffb000"
RED = "#d1495b"


def flat(image: np.ndarray, ndim: int) -> np.ndarray:
    """The part of an image that paper can show: a line, a plane, colours."""
    channels = image.ndim > ndim
    if ndim == 3:
        image = image[len(image) // 2]
    if channels and (image.shape[-1] != 3 or ndim == 1):
        image = image.mean(-1)
    return image


def detailed(image: np.ndarray, ndim: int) -> tuple[slice, ...] | None:
    """Slices of the window with the steepest slopes; None where the image is small."""
    grey = image if image.ndim == ndim else image.mean(-1)
    window = [max(CROP_PIXELS, round(n * CROP_FRACTION)) for n in grey.shape]
    if any(w >= n for w, n in zip(window, grey.shape, strict=True)):
        return None
    slopes = sum(np.gradient(grey, axis=axis) ** 2 for axis in range(ndim))
    mean = uniform_filter(slopes, window)
    # Only windows that lie within the image, by their first corner.
    inside = tuple(
        slice(w // 2, n - w + w // 2 + 1)
        for w, n in zip(window, grey.shape, strict=True)
    )
    corner = np.unravel_index(mean[inside].argmax(), mean[inside].shape)
    return tuple(slice(int(c), int(c) + w) for c, w in zip(corner, window, strict=True))


def difference(shown: dict) -> tuple[str, np.ndarray] | None:
    """The error, or what was taken away where there is no truth and sizes are equal."""
    if "truth" in shown:
        return "error", shown["restored"] - shown["truth"]
    if shown["input"].shape == shown["restored"].shape:
        return "removed", shown["input"] - shown["restored"]
    return None


def draw_images(axes, shown, last, titles, crop):
    """Draw planes or colours on axes ``(n_rows, n_panels)``, the crop in row two."""
    low, high = _limits(shown)
    height, width = shown["restored"].shape[:2]
    # Images of other sizes show the same scene.
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    grey = {"cmap": "gray", "vmin": 0, "vmax": 1, "extent": extent}
    for row in axes:
        for axis, image in zip(row, shown.values(), strict=False):
            axis.imshow(((image - low) / (high - low)).clip(0, 1), **grey)
        if last is not None:
            titles = titles | {"last": _draw_difference(row[-1], *last, extent)}
        for axis in row:
            axis.set(xticks=[], yticks=[])
    for axis, title in zip(axes[0], titles.values(), strict=True):
        axis.set_title(title, fontsize=10)
    if crop is None:
        return
    rows, columns = (_edges(crop[i], n) for i, n in enumerate((height, width)))
    for axis in axes[0]:
        axis.plot(
            np.take(columns, [0, 1, 1, 0, 0]),
            np.take(rows, [0, 0, 1, 1, 0]),
            color=MARK,
            lw=1.2,
        )
    for axis in axes[1]:
        axis.set(xlim=columns, ylim=rows[::-1])


def draw_signals(axes, shown, last, titles, crop):
    """Draw lines on axes ``(n_rows, 1 or 2)``, the crop in row two."""
    length = len(shown["restored"])
    styles = {
        "input": {"color": "#b8b8b8", "lw": 0.9},
        "truth": {"color": "black", "lw": 1.6, "alpha": 0.6},
        "restored": {"color": RED, "lw": 1.1},
    }
    for row in axes:
        for name in sorted(shown, key=list(styles).index):
            n = len(shown[name])
            places = (np.arange(n) + 0.5) * length / n - 0.5
            row[0].plot(places, shown[name], label=titles[name], **styles[name])
        if last is not None:
            row[1].plot(last[1], color=RED, lw=0.9)
            row[1].axhline(0, color="black", lw=0.6)
    axes[0, 0].legend(fontsize=8)
    if last is not None:
        axes[0, 1].set_title(last[0], fontsize=10)
    if crop is not None:
        edges = _edges(crop[0], length)
        axes[0, 0].axvspan(*edges, color=MARK, alpha=0.25)
        for axis in axes[1]:
            axis.set_xlim(edges)


def _draw_difference(axis, name, values, extent):
    if values.ndim == 3:
        values = values[..., np.abs(values).mean((0, 1)).argmax()]
    most = max(np.quantile(np.abs(values), 0.995), 1e-12)
    axis.imshow(values, cmap="RdBu_r", vmin=-most, vmax=most, extent=extent)
    return f"{name}, ±{most:.2g}"


def _limits(shown):
    """Intensities of black and white, those of the truth where there is one."""
    if "truth" in shown:
        low, high = shown["truth"].min(), shown["truth"].max()
    else:
        low, high = np.quantile(shown["restored"], [0.001, 0.999])
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _edges(part, length):
    """Edges of the pixels of a slice."""
    start, stop, _ = part.indices(length)
    return start - 0.5, stop - 0.5
