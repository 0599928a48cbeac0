"""Image files in and out, with what Pillow and tifffile know of their metadata."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import tifffile
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from skdeconv._io import write_aside

TIFF = {".tif", ".tiff"}


class _DeepColour(ValueError):
    """A file that is read, but not to its full depth."""


@dataclass(frozen=True)
class Picture:
    """Pixels of a file, and what came with them.

    Attributes
    ----------
    pixels : ndarray of shape (height, width[, 3])
        Colours or grey, in the dtype of the file; pages come on an axis before.
    alpha : ndarray or None
        Opacity, which is not restored.
    metadata : dict
        Keyword arguments for the writer.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    metadata: dict = field(default_factory=dict)

    def with_pixels(self, pixels: np.ndarray) -> "Picture":
        """Take other pixels, brought to the dtype of the file."""
        dtype = self.pixels.dtype
        if dtype.kind == "b":
            pixels = pixels > 0.5
        elif dtype.kind in "iu":
            limits = np.iinfo(dtype)
            pixels = np.clip(np.rint(pixels), limits.min, limits.max)
        return replace(self, pixels=pixels.astype(dtype))


def read_picture(path: Path) -> Picture:
    """Read an image file; errors say what is wrong, not with which file."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError("no such file")
    readers = [_read_tiff] if path.suffix.lower() in TIFF else []
    problems = []
    for reader in [*readers, _read, _read_otherwise]:
        try:
            return reader(path)
        except _DeepColour:
            raise
        except UnidentifiedImageError:
            problems.append("not an image that can be read")
        # Whatever a broken file makes a decoder raise is said of the file.
        except Exception as error:
            problems.append(f"cannot be read ({error})")
    raise ValueError(problems[0])


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
    image = _to_pillow(path, picture)
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


_PILLOW_OPTIONS = {"exif", "icc_profile", "dpi", "pnginfo"}
_TIFF_OPTIONS = {"description", "resolution", "resolutionunit", "iccprofile"}


def _read(path):
    with Image.open(path) as image:
        image.load()
        _refuse_deep_colour(path, image)
        metadata = {
            name: image.info[name]
            for name in ("icc_profile", "dpi")
            if name in image.info
        }
        # The pixels are turned upright here, and so must the metadata be.
        image = ImageOps.exif_transpose(image)
        exif = image.getexif()
        if len(exif):
            metadata["exif"] = exif.tobytes()
        if isinstance(image, PngImagePlugin.PngImageFile) or image.info:
            text = PngImagePlugin.PngInfo()
            for key, value in image.info.items():
                if isinstance(value, str):
                    text.add_text(key, value)
            metadata["pnginfo"] = text
        if image.mode in ("P", "CMYK", "YCbCr", "PA"):
            image = image.convert("RGBA" if "transparency" in image.info else "RGB")
        pixels = np.asarray(image)
    if image.mode in ("LA", "RGBA"):
        colours = pixels[..., 0] if image.mode == "LA" else pixels[..., :3]
        return Picture(colours, pixels[..., -1], metadata)
    if pixels.dtype == np.int32:  # Pillow's mode I, from older 16-bit files
        pixels = pixels.astype(np.uint16)
    return Picture(pixels, None, metadata)


def _read_otherwise(path):
    """Leave the rarer formats to imageio and its plugins."""
    pixels = imageio.imread(path.read_bytes(), extension=path.suffix)
    return Picture(np.asarray(pixels))


def _refuse_deep_colour(path, image):
    """Pillow reads 16-bit colours as 8 bits without a word."""
    if image.format == "PNG" and image.mode in ("RGB", "RGBA", "LA"):
        with open(path, "rb") as file:
            header = file.read(25)
        if header[24] == 16:
            raise _DeepColour(
                "a PNG with 16 bits per colour would lose half of them; save it as TIFF"
            )


def _read_tiff(path):
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        pixels = file.asarray()
        metadata = {}
        # tifffile notes shapes of its own where there is no description.
        if page.description and not page.description.startswith('{"shape"'):
            metadata["description"] = page.description
        tags = page.tags
        if "XResolution" in tags and "YResolution" in tags:
            metadata["resolution"] = (
                tags["XResolution"].value,
                tags["YResolution"].value,
            )
            unit = tags.get("ResolutionUnit")
            metadata["resolutionunit"] = 2 if unit is None else int(unit.value)
        if "InterColorProfile" in tags:
            metadata["iccprofile"] = tags["InterColorProfile"].value
        planar = page.planarconfig == 2 and page.samplesperpixel > 1
    if planar:
        pixels = np.moveaxis(pixels, -3, -1)
    if page.samplesperpixel in (2, 4):
        alpha, pixels = pixels[..., -1], pixels[..., :-1]
        pixels = pixels[..., 0] if page.samplesperpixel == 2 else pixels
        return Picture(pixels, alpha, metadata)
    return Picture(pixels, None, metadata)


def _with_alpha(picture):
    if picture.alpha is None:
        return picture.pixels
    colours = picture.pixels
    if colours.ndim == picture.alpha.ndim:
        colours = colours[..., None]
    return np.concatenate([colours, picture.alpha[..., None]], axis=-1)


def _to_pillow(path, picture):
    image = Image.fromarray(_with_alpha(picture))
    if path.suffix.lower() in {".jpg", ".jpeg"} and image.mode in ("RGBA", "LA"):
        raise ValueError(f"{path}: JPEG has no opacity; write a .png or .tif")
    return image
