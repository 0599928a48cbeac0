"""``skdeconv benchmark``."""

import sys
import time
from pathlib import Path

import numpy as np
from skimage.color import rgb2gray

from skdeconv._images import middle
from skdeconv._io import read_picture
from skdeconv.benchmark import default_benchmark

MAX_SIZE = 512
# Smaller images leave nothing of themselves inside the borders of the blurs.
MIN_SIZE = 48


def run_benchmark(arguments) -> int:
    """Run the embedded benchmark, print its table and write its page."""
    output = Path(arguments.output)
    _check_output(output)
    images = names = None
    if arguments.images is not None:
        images, names = _read_folder(Path(arguments.images))
    start = time.perf_counter()
    print("Deep against classical restoration. Preparing images ...", flush=True)
    comparison = default_benchmark(
        quick=arguments.quick,
        test_images=images,
        image_names=names,
        restorers=arguments.restorers,
        random_state=arguments.seed,
        progress=lambda line: print(line, flush=True),
    )
    print(f"\n{comparison}\n")
    comparison.to_html(output)
    print(f"{time.perf_counter() - start:.0f} s; the report is {output.resolve()}")
    return 0


def _check_output(output):
    """Find out before minutes of work that the report cannot be written."""
    if output.is_dir():
        raise ValueError(f"--output must be a file, {output} is a folder.")
    if not output.parent.is_dir():
        raise ValueError(f"--output: there is no folder {output.parent}.")


def _read_folder(folder):
    """Read all images of a folder in grey, range 255; name what is left out."""
    if not folder.is_dir():
        raise ValueError(f"--images must be a folder, got {folder}.")
    images, names = [], []
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        try:
            image = _grey(read_picture(path).pixels)
            if image.min() == image.max():
                raise ValueError("it is constant, there is nothing to restore")
            if min(image.shape) < MIN_SIZE:
                raise ValueError(f"{image.shape} is under {MIN_SIZE} x {MIN_SIZE}")
        except (ValueError, OSError) as error:
            print(f"skipped {path.name}: {error}", file=sys.stderr)
            continue
        if max(image.shape) > MAX_SIZE:
            print(f"{path.name}: taking the middle {MAX_SIZE} x {MAX_SIZE} pixels")
        images.append(middle(image, MAX_SIZE))
        names.append(path.name)
    if not images:
        raise ValueError(f"--images: nothing in {folder} can be read as an image.")
    return images, names


def _grey(pixels):
    if pixels.dtype == np.uint8:
        pixels = pixels.astype(np.float32)
    elif pixels.dtype == np.uint16:
        pixels = pixels.astype(np.float32) / 257
    elif pixels.dtype.kind == "f" and 0 <= pixels.min() and pixels.max() <= 1:
        pixels = 255 * pixels.astype(np.float32)
    else:
        raise ValueError(
            f"{pixels.dtype} from {pixels.min():g} to {pixels.max():g} is neither 8 or "
            "16 bits nor within [0, 1]"
        )
    if pixels.ndim == 3 and pixels.shape[2] == 3:
        return rgb2gray(pixels).astype(np.float32)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        return pixels[..., 0]
    if pixels.ndim != 2:
        raise ValueError(f"{pixels.shape} is neither a grey nor a colour image")
    return pixels
