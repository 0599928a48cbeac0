"""Image files: read whole or when they are looked at, written so that none is half."""

import os
import re
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import imageio.v3 as imageio
import numpy as np
import tifffile
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

TIFF = {".tif", ".tiff"}

# Grey, colours, and those that tifffile brings to RGB; Pillow knows the others.
PLAIN = {1, 2, 6}

# Bits of a byte, more of which Pillow does not turn round.
BITS = 8

# Formats whose frames are as many pictures; others have previews, layers and the like.
FRAMES = {"AVIF", "GIF", "PNG", "TIFF", "WEBP"}

# Quarter turns, after mirroring left and right, that make a TIFF's orientation upright.
UPRIGHT = {
    2: (0, True),
    3: (2, False),
    4: (2, True),
    5: (1, True),
    6: (3, False),
    7: (3, True),
    8: (1, False),
}

# Bytes of pixels that are remembered of the files looked at last.
REMEMBERED = 2**28


class ImageFile:
    """An image on disk that is read when it is looked at, as if it were an array.

    It is read once when it is made, to learn its shape and that all is well with it;
    once more where the file has changed. Opacity is left out.

    Parameters
    ----------
    path : path-like
        An image, or an array saved by NumPy.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be read, or holds NaN or infinities.
    """

    def __init__(self, path):
        self.path, self.place = Path(path), Path(path).absolute()
        pixels = self._read()
        if pixels.dtype.kind not in "biuf":
            raise ValueError(f"{self.path} holds {pixels.dtype}, not numbers.")
        if not np.isfinite(pixels).all():
            raise ValueError(f"{self.path} holds NaN or infinities.")
        self.shape, self.dtype = pixels.shape, pixels.dtype
        self.ndim, self.size = pixels.ndim, pixels.size
        self._extrema = (pixels.min(), pixels.max()) if pixels.size else (0, 0)

    def __repr__(self):
        return f"ImageFile({str(self.path)!r})"

    def __array__(self, dtype=None, copy=None):
        pixels = _recent.get(self.place, self._read)
        if pixels.shape != self.shape or pixels.dtype != self.dtype:
            raise ValueError(f"{self.path} is not the image any more that it was.")
        return np.array(pixels, dtype=dtype) if copy else np.asarray(pixels, dtype)

    def __getitem__(self, index):
        return np.asarray(self)[index]

    def __len__(self):
        return self.shape[0]

    def min(self):
        """Smallest value."""
        return self._extrema[0]

    def max(self):
        """Largest value."""
        return self._extrema[1]

    def _read(self):
        try:
            if self.path.suffix.lower() == ".npy":
                return np.load(self.place, mmap_mode="r", allow_pickle=False)
            return read_picture(self.place).pixels
        except FileNotFoundError:
            raise FileNotFoundError(f"{self.path}: no such file") from None
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from error


class _Recent:
    """The files looked at last, up to some number of bytes."""

    def __init__(self):
        self.files, self.bytes, self.lock = OrderedDict(), 0, Lock()

    def get(self, path, read):
        """Give what was read of a file as it is now."""
        now = os.stat(path) if path.is_file() else None
        path = path, now and (now.st_mtime_ns, now.st_size, now.st_ino)
        with self.lock:
            if path in self.files:
                self.files.move_to_end(path)
                return self.files[path]
        pixels = read()
        if isinstance(pixels, np.memmap):
            return pixels
        with self.lock:
            if path not in self.files:
                self.files[path] = pixels
                self.bytes += pixels.nbytes
            while self.bytes > REMEMBERED:
                self.bytes -= self.files.popitem(last=False)[1].nbytes
        return pixels


_recent = _Recent()


class _NotWhole(ValueError):
    """A file that could be read, but not all of it."""


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
    tiff = path.suffix.lower() in TIFF
    problems = []
    for reader in [_read_tiff, _read] if tiff else [_read, _read_otherwise]:
        try:
            return reader(path)
        except _NotWhole:
            raise
        except UnidentifiedImageError:
            problems.append("not an image that can be read")
        # Whatever a broken file makes a decoder raise is said of the file.
        except Exception as error:
            problems.append(f"cannot be read ({error})")
    raise ValueError(problems[0])


def _read(path):
    with Image.open(path) as image:
        image.load()
        _refuse_deep_colour(path, image)
        frames = getattr(image, "n_frames", 1)
        if image.format in FRAMES and frames > 1:
            raise _NotWhole(f"it holds {frames} frames; save them as pages of a TIFF")
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
        transparent = "transparency" in image.info
        if image.mode in ("P", "CMYK", "YCbCr", "PA"):
            image = image.convert("RGBA" if transparent else "RGB")
        elif transparent and image.mode in ("L", "RGB"):  # one of its colours
            image = image.convert("LA" if image.mode == "L" else "RGBA")
        if image.mode == "LAB":
            raise ValueError("its colours are CIELAB")
        pixels = np.asarray(image)
    if image.mode in ("LA", "RGBA"):
        colours = pixels[..., 0] if image.mode == "LA" else pixels[..., :3]
        return Picture(colours, pixels[..., -1], metadata)
    if pixels.dtype == np.int32:  # Pillow's mode I, also from older 16-bit files
        unsigned = pixels.astype(np.uint16)
        pixels = unsigned if np.array_equal(unsigned, pixels) else pixels
    return Picture(pixels, None, metadata)


def _read_otherwise(path):
    """Leave the rarer formats to imageio and its plugins."""
    pixels = imageio.imread(path.read_bytes(), extension=path.suffix)
    return Picture(np.asarray(pixels))


def _refuse_deep_colour(path, image):
    """Pillow reads 16-bit colours as 8 bits without a word."""
    deep = False
    if image.format == "PNG" and image.mode in ("RGB", "RGBA", "LA"):
        with open(path, "rb") as file:
            deep = file.read(25)[24] == 16
    elif image.format == "PPM" and image.mode == "RGB":
        with open(path, "rb") as file:
            header = re.sub(rb"#[^\n]*\n", b" ", file.read(2**12))
        deep = int(header.split(maxsplit=4)[3]) > np.iinfo(np.uint8).max
    if deep:
        raise _NotWhole(
            f"a {image.format} with 16 bits per colour would lose half of them; save "
            "it as TIFF"
        )


def _read_tiff(path):
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        if page.photometric not in PLAIN:  # palettes, inks, negatives
            colours = f"its colours are {page.photometric.name}; save it as RGB"
            # Pillow turns negatives round, but for those of more than 8 bits.
            deep = page.photometric == 0 and page.bitspersample > BITS
            raise _NotWhole(colours) if deep else ValueError(colours)
        bands, has_alpha = page.samplesperpixel, bool({1, 2} & {*page.extrasamples})
        if bands - has_alpha not in (1, 3):
            raise _NotWhole(
                f"it has {bands} bands, and they are not grey or RGB with an opacity "
                "that is marked as such; save them as pages"
            )
        pixels = _pages(file)
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
        orientation = int(tags["Orientation"].value) if "Orientation" in tags else 1
    if planar:
        pixels = np.moveaxis(pixels, -3, -1)
    rows = -3 if page.samplesperpixel > 1 else -2
    turn, mirror = UPRIGHT.get(orientation, (0, False))
    pixels = np.flip(pixels, rows + 1) if mirror else pixels
    pixels = np.rot90(pixels, turn, axes=(rows, rows + 1))
    if has_alpha:
        alpha, pixels = pixels[..., -1], pixels[..., :-1]
        pixels = pixels[..., 0] if bands - has_alpha == 1 else pixels
        return Picture(pixels, alpha, metadata)
    return Picture(pixels, None, metadata)


def _pages(file):
    """All pixels of a TIFF, less the smaller copies of a pyramid."""
    series = [s for s in file.series if not s.keyframe.is_reduced] or file.series
    kinds = [f"{s.dtype} of shape {s.shape}" for s in series]
    if len(set(kinds)) > 1:
        raise _NotWhole(
            f"its pages are of different kinds, {'; '.join(kinds)}; save them one by "
            "one"
        )
    pixels = [s.asarray() for s in series]
    return np.stack(pixels) if len(pixels) > 1 else pixels[0]


def destination(path, name="path") -> Path:
    """A path to which a file can be written; raises OSError for one that is none."""
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(
            f"{name} must be a file, but {str(path)!r} is a folder."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"{name} must lie in a folder, but there is no {str(path.parent)!r}."
        )
    return path


def write_aside(path, write: Callable[[BinaryIO], None]) -> Path:
    """Write a file beside its destination and move it there when it is complete.

    Parameters
    ----------
    path : path-like
        Destination; an existing file is replaced.
    write : callable
        Called with an open binary file.

    Returns
    -------
    path : Path
        The destination.

    Raises
    ------
    OSError
        If the destination is a folder, or lies in one that does not exist.
    """
    path = destination(path)
    handle, aside = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix
    )
    os.close(handle)
    try:
        with open(aside, "wb") as file:
            write(file)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(aside, 0o666 & ~umask)
        os.replace(aside, path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    return path
