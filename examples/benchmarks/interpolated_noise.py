"""Denoise images whose noise is not white, without being told.

    python interpolated_noise.py FOLDER [--size 256] [--every 1]

The middle pixels of every image of the folder, as grey ones of 8 bits, get noise of 5,
10 and 25 that was white before it was smoothed: by means over neighbours, of which each
then shares a tenth of the variance with the next, by Gaussians of 0.5, 0.6 and 1 pixel,
by bilinear demosaicking and by scaling up twice; or that is white and compressed with
the image as JPEG of quality 75. Printed is in how many images that is found out, and
for these the mean estimate of the level, and the PSNR in dB of the noisy images and of
denoisers: with ``noise_std="auto"``, and told the level that the noise would have if it
were white, which is what its finest detail shows. White noise, and none, shows how
often texture is taken for such noise, and what the level of that is raised by.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import torch
from _images import read_grey
from scipy import ndimage

from skdeconv import BlockMatchingRestorer, PretrainedDenoiser, WaveletRestorer
from skdeconv.degradations import JPEGCompression
from skdeconv.estimation import estimate_noise_std
from skdeconv.exceptions import NoiseWarning
from skdeconv.metrics import psnr
from skdeconv.restorers._shared_noise import shared_noise

BILINEAR = np.outer([1, 2, 1], [1, 2, 1]) / 16
NEIGHBOURS = np.outer([0.05, 1, 0.05], [0.05, 1, 0.05])
SMOOTHED = {
    "shared 0.1": lambda z: ndimage.convolve(z, NEIGHBOURS, mode="wrap"),
    "gaussian 0.5": lambda z: ndimage.gaussian_filter(z, 0.5, mode="wrap"),
    "demosaicked": lambda z: ndimage.convolve(z, BILINEAR, mode="wrap"),
    "gaussian 0.6": lambda z: ndimage.gaussian_filter(z, 0.6, mode="wrap"),
    "gaussian 1": lambda z: ndimage.gaussian_filter(z, 1.0, mode="wrap"),
    "scaled up": lambda z: ndimage.zoom(
        z[::2, ::2], 2, order=1, mode="grid-wrap", grid_mode=True
    ),
    "JPEG": lambda z: z,
}
LEVELS = (5, 10, 25)
RESTORERS = {
    "wavelets": WaveletRestorer(data_range=255.0),
    "block matching": BlockMatchingRestorer(data_range=255.0),
    "pretrained": PretrainedDenoiser(data_range=255.0),
}


def middle(image, size):
    first = [max(0, (n - size) // 2) for n in image.shape]
    image = image[tuple(slice(a, a + size) for a in first)].astype(float)
    return image[tuple(slice(n // 2 * 2) for n in image.shape)]


def noisy_image(kind, clean, level, rng):
    noise = SMOOTHED[kind](rng.standard_normal(clean.shape))
    noisy = clean + level / noise.std() * noise
    if kind == "JPEG":
        compress = JPEGCompression(75, data_range=255.0)
        noisy = compress(torch.from_numpy(noisy)[None, None])[0, 0].numpy()
    return noisy.astype("f4")


def found(noisy):
    """Whether noise is not white, how much there is, and what white noise would be."""
    x = torch.from_numpy(noisy)[None, None]
    white, reliability = estimate_noise_std(x, 2, return_reliability=True)
    _, level, _ = shared_noise(x, white, reliability, 255.0)
    return level != white, float(level), float(white)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--every", type=int, default=1)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", NoiseWarning)
    images = [
        middle(image, arguments.size)
        for image in list(read_grey(arguments.folder).values())[:: arguments.every]
    ]
    for level in (0, 2, *LEVELS):
        rng = np.random.default_rng(0)
        looks = [
            found((x + level * rng.standard_normal(x.shape)).astype("f4"))
            for x in images
        ]
        raised = [estimate / white for mistaken, estimate, white in looks if mistaken]
        print(
            f"white noise of {level:2d}: {len(raised)} of {len(images)} are mistaken",
            end="",
        )
        print(f", at most {max(raised):.2f} times" if raised else "")
    print(f"{'noise':18s}{'found':>9s}{'level':>7s}{'noisy':>8s}", end="")
    print("".join(f"{name + ', as white':>28s}" for name in RESTORERS))
    for kind in SMOOTHED:
        for level in LEVELS:
            rng, rows = np.random.default_rng(0), []
            for clean in images:
                noisy = noisy_image(kind, clean, level, rng)
                shared, estimate, white = found(noisy)
                if not shared:
                    continue
                row = [estimate, psnr(clean[None], noisy[None], data_range=255)]
                for restorer in RESTORERS.values():
                    for told in ("auto", white):
                        restorer.set_params(noise_std=told).fit(noisy[None])
                        restored = restorer.predict(noisy[None])
                        row.append(psnr(clean[None], restored, data_range=255))
                rows.append(row)
            print(f"{kind:13s}{level:3d}  {len(rows):3d}/{len(images):3d}", end="")
            if rows:
                estimate, before, *after = np.mean(rows, axis=0)
                print(f"{estimate:9.1f}{before:8.2f}", end="")
                pairs = zip(after[::2], after[1::2], strict=True)
                print("".join(f"{a:20.2f}{b:8.2f}" for a, b in pairs), end="")
            print(flush=True)


if __name__ == "__main__":
    main()
