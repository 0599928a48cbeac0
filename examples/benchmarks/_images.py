"""Images of a folder, for the scripts beside this file."""

from pathlib import Path

import imageio.v3 as imageio
import numpy as np

# Luma of ITU-R BT.601, whose weights sum to 219 of 255 steps above black at 16.
STUDIO = np.array([65.481, 128.553, 24.966]) / 255


def read_grey(folder: Path) -> dict[str, np.ndarray]:
    """Read all images of a folder as grey ones of 8 bits."""
    return {
        path.stem: np.rint(_grey(image)).astype(np.uint8)
        for path, image in _read(folder)
    }


def read_colour(folder: Path) -> dict[str, np.ndarray]:
    """Read all images of a folder as colour ones of 8 bits."""
    return {path.stem: _colour(image) for path, image in _read(folder)}


def read_luma(folder: Path) -> dict[str, np.ndarray]:
    """Read the Y channel of studio-range YCbCr, as floats of 16 to 235."""
    return {
        path.stem: (16 + _colour(image) @ STUDIO).astype(np.float32)
        for path, image in _read(folder)
    }


def psnr(image, truth, border=0):
    """PSNR for a peak of 255, of the image clipped and rounded."""
    inside = (slice(border, -border or None),) * 2
    error = np.clip(np.rint(image), 0, 255)[inside] - np.asarray(truth, float)[inside]
    return float(10 * np.log10(255**2 / np.mean(error**2)))


def _read(folder):
    for path in sorted(Path(folder).iterdir()):
        if path.suffix.lower() in {".png", ".webp", ".jpg", ".jpeg", ".bmp", ".tif"}:
            yield path, imageio.imread(path)


def _grey(image):
    return image if image.ndim == 2 else image[..., :3] @ [0.299, 0.587, 0.114]


def _colour(image):
    return image[..., :3] if image.ndim == 3 else np.stack([image] * 3, axis=-1)
