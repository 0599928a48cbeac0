"""Noise levels that are estimated from an image, against those that were added.

    python noise_level.py FOLDER [--start 0] [--every 1] [--size 256] [--bytes]
                          [--restore]

The middle pixels of every image of the folder, as grey ones of 8 bits, get noise of a
constant deviation, then noise whose variance grows with intensity: counts of photons of
a gain, with reading noise of a deviation. "Cubed" images are dark but for small bright
parts, as those of a fluorescence microscope.

Printed are the median, over the images, of the estimate over the true root mean square
of the noise: as if the noise were constant, and as ``noise_std="auto"`` tells it; the
share of images whose automatic estimate is within a tenth; and the share in which the
noise is told to grow. ``plain`` repeats that share for those images where the variance
at the 95th percentile is at least 4 times that at the 5th. Without noise, and for
weak noise, photographs have noise of their own, and the ratios tell of it.

``--bytes`` clips and rounds to 8 bits. ``--restore`` tells the mean PSNR of denoisers,
too: told the level of constant noise, and with ``noise_std="auto"``, which brings
growing noise to one level first.
"""

import argparse
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch
from _images import read_grey

from skdeconv import (
    BlockMatchingRestorer,
    NonLocalMeansRestorer,
    WaveletRestorer,
)
from skdeconv.estimation import estimate_noise_curve, estimate_noise_std
from skdeconv.exceptions import NoiseWarning
from skdeconv.metrics import psnr

CONSTANT = (0, 2, 5, 15, 25, 50)
# Gain, deviation of the reading noise, exponent of the scene.
GROWING = (
    (0.1, 0, 1),
    (0.3, 0, 1),
    (1, 0, 1),
    (3, 0, 1),
    (10, 0, 1),
    (1, 5, 1),
    (3, 5, 1),
    (1, 2, 3),
    (3, 3, 3),
)
PLAIN = 4.0
HEAD = f"{'noise':24s}{'constant':>10s}{'auto':>8s}{'within':>9s}{'grows':>8s}"


def middle(image, size):
    first = [max(0, (n - size) // 2) for n in image.shape]
    return image[tuple(slice(a, a + size) for a in first)].astype(float)


def disturb(scene, gain, std, rng):
    """Noisy image and the variance of its noise."""
    photons = gain * rng.poisson(scene / gain) if gain else scene
    return photons + rng.normal(0, std, scene.shape), gain * scene + std**2


def levels(noisy):
    """What is estimated as constant, what is automatic, and whether noise grows."""
    x = torch.from_numpy(noisy)[None, None].float()
    constant = estimate_noise_std(x, 2)
    curve = estimate_noise_curve(x, 2)
    automatic = torch.where(curve.grows, curve.rms(x), constant)
    return float(constant), float(automatic), bool(curve.grows)


def denoisers():
    return {
        "wavelets": WaveletRestorer(data_range=255.0),
        "non-local means": NonLocalMeansRestorer(data_range=255.0),
        "block matching": BlockMatchingRestorer(data_range=255.0),
    }


def gains(noisy, clean, constant):
    """PSNR of denoisers told the level, and left alone."""
    return [
        [
            psnr(
                clean[None],
                restorer.set_params(noise_std=level)
                .fit(noisy[None])
                .predict(noisy[None]),
                data_range=255,
            )
            for level in (constant, "auto")
        ]
        for restorer in denoisers().values()
    ]


def row(images, gain, std, exponent, args):
    title = f"gain {gain:g}, deviation {std:g}" if gain else f"deviation {std:g}"
    title += ", cubed" if exponent == 3 else ""
    found, plain, restored = [], [], []
    for name, image in images.items():
        scene = 255 * (middle(image, args.size) / 255) ** exponent
        rng = np.random.default_rng(zlib.crc32(f"{name} {title}".encode()))
        noisy, variance = disturb(scene, gain, std, rng)
        if args.bytes:
            noisy = np.rint(noisy).clip(0, 255)
        truth = np.sqrt(variance.mean())
        constant, automatic, grows = levels(noisy)
        ratio = max(truth, 1e-9)
        found.append([constant / ratio, automatic / ratio, grows])
        dark, bright = np.quantile(variance, [0.05, 0.95])
        plain.append(bright >= PLAIN * dark and gain > 0)
        if args.restore:
            restored.append(gains(noisy, scene, constant))
    found, plain = np.array(found), np.array(plain)
    middle_ratio = np.median(found[:, :2], axis=0)
    within = np.mean(np.abs(found[:, 1] - 1) < 0.1)
    line = f"{title:24s}{middle_ratio[0]:10.2f}{middle_ratio[1]:8.2f}{within:9.1%}"
    line = line if gain or std else f"{title:24s}{'':27s}"
    line += f"{found[:, 2].mean():8.1%}"
    if plain.any():
        line += f"{found[plain, 2].mean():8.1%} of {plain.sum()}"
    print(line, flush=True)
    if restored:
        for name, both in zip(denoisers(), np.mean(restored, axis=0), strict=True):
            print(f"    {name:24s}{both[0]:6.2f} -> {both[1]:6.2f} dB", flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--bytes", action="store_true")
    parser.add_argument("--restore", action="store_true")
    args = parser.parse_args()
    warnings.simplefilter("ignore", NoiseWarning)
    images = dict(list(read_grey(args.folder).items())[args.start :: args.every])
    print(f"{len(images)} images\n{HEAD}   plain")
    for std in CONSTANT:
        row(images, 0, std, 1, args)
    for case in GROWING:
        row(images, *case, args)


if __name__ == "__main__":
    main()
