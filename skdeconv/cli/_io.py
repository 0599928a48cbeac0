"""Image files out, with what was known of their metadata."""

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from skdeconv._io import TIFF, Picture, write_aside


def write_picture(path: Path, picture: Picture) -> None:
    """Write an image file aside and move it to its place."""
    path = Path(path)
    pixels = picture.pixels
    if path.suffix.lower() in TIFF:
        pixels = _with_alpha(picture)
        options = {k: v for k, v in picture.metadata.items() if k in _TIFF_OPTIONS}
        options["metadata"] = None
        options["photometric"] = "rgb" if pixels.shape[-1] in (3, 4) else "minisblack"
        if picture.alpha is not None:
            options["extrasamples"] = ["unassalpha"]
        write_aside(path, lambda file: tifffile.imwrite(file, pixels, **options))
        return
    image = Image.fromarray(_with_alpha(picture))
    options = {k: v for k, v in picture.metadata.items() if k in _PILLOW_OPTIONS}
    if path.suffix.lower() in {".jpg", ".jpeg", ".webp"}:
        options["quality"] = 95
    if path.suffix.lower() != ".png":
        options.pop("pnginfo", None)
    kind = Image.registered_extensions()[path.suffix.lower()]
    write_aside(path, lambda file: image.save(file, format=kind, **options))


def check_writable(path: Path, picture: Picture) -> None:
    """Refuse a file type that cannot hold the pixels, before any work is done."""
    suffix = path.suffix.lower()
    if suffix in TIFF:
        return
    if picture.alpha is not None and suffix not in _WITH_OPACITY:
        raise ValueError(f"{path}: {suffix} has no opacity; write a .png or .tif")
    if Image.registered_extensions().get(suffix) not in Image.SAVE:
        raise ValueError(
            f"{path}: the type {suffix or 'without suffix'!r} is not known"
        )
    depth = picture.pixels.dtype
    grey_png = suffix == ".png" and depth == np.uint16 and picture.alpha is None
    grey_png = grey_png and picture.pixels.ndim == 2
    if depth not in (np.uint8, np.bool_) and not grey_png:
        raise ValueError(
            f"{path}: {suffix} cannot hold {depth} pixels of shape "
            f"{picture.pixels.shape}; write a .tif"
        )
    if picture.pixels.ndim - (picture.pixels.shape[-1] == 3) > 2:
        raise ValueError(f"{path}: {suffix} cannot hold several pages; write a .tif")


_WITH_OPACITY = {".png", ".webp", ".jp2"}
_PILLOW_OPTIONS = {"exif", "icc_profile", "dpi", "pnginfo"}
_TIFF_OPTIONS = {"description", "resolution", "resolutionunit", "iccprofile"}


def _with_alpha(picture):
    if picture.alpha is None:
        return picture.pixels
    colours = picture.pixels
    if colours.ndim == picture.alpha.ndim:
        colours = colours[..., None]
    return np.concatenate([colours, picture.alpha[..., None]], axis=-1)
