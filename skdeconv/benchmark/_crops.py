"""Crops of images as data URLs, light enough for one page."""

import base64
import io
import math

import numpy as np
from PIL import Image

_MOST_BYTES = 1_800_000
_SMALLEST = 48


def encode_crops(examples):
    """Add "source", a data URL, to every example; trim all alike if they are heavy."""
    sources = [_data_url(e["pixels"]) for e in examples]
    total = sum(map(len, sources))
    if total > _MOST_BYTES:
        # One share for all: crops of different resolution keep the same view.
        smallest = min(min(e["pixels"].shape[:2]) for e in examples)
        share = max(math.sqrt(_MOST_BYTES / total), min(1, _SMALLEST / smallest))
        sources = [_data_url(_middle(e["pixels"], share)) for e in examples]
    return [{**e, "source": s} for e, s in zip(examples, sources, strict=True)]


def _middle(pixels, share):
    height, width = (max(1, round(size * share)) for size in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


def _data_url(pixels):
    pixels = np.nan_to_num(pixels)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim != 2 and pixels.shape[2:] != (3,):
        shape = pixels.shape
        raise ValueError(f"pixels must be (h, w) or (h, w, 3), got shape {shape}.")
    image = Image.fromarray((np.clip(pixels, 0, 1) * 255).round().astype(np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
