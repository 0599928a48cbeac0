"""Deblurring under camera shake with real borders: a table of restorers.

Protocol: each image is blurred by each kernel, noise is added, and both are cropped to
the part that no border touched (``Degradation.pair``); PSNR for a peak of 255 of the
clipped answer, averaged over images and kernels. Strengths and noise levels choose
themselves; ``--told`` tells the noise level to those that ask for it. The border gain
is that over the input in a band of one PSF radius, the least of all images; where it
is negative the image is named. Published means for the 12 usual images and 8 kernels
("Set12", Levin et al. 2009), whose borders were tapered instead, by methods that were
told the noise: EPLL 27.61 and 25.24, CSF 29.37 and 26.41, IDD-BM3D 31.43 and 27.56 dB
at noise 2.55 and 7.65. ``python deblurring.py IMAGES KERNELS`` with folders, or single
files.
"""

import argparse
import time
import warnings
import zlib
from pathlib import Path

import imageio.v3 as imageio
import numpy as np

from skdeconv import (
    BlockMatchingRestorer,
    LeastSquaresRestorer,
    RichardsonLucyRestorer,
    SparseCodingRestorer,
    TotalVariationRestorer,
    WienerRestorer,
)
from skdeconv.degradations import Degradation, GaussianNoise
from skdeconv.exceptions import PSFWarning
from skdeconv.operators import Blur

RESTORERS = {
    "Wiener": WienerRestorer,
    "Wiener, spectrum": lambda psf: WienerRestorer(psf, regularizer="spectrum"),
    "Richardson-Lucy": RichardsonLucyRestorer,
    "least squares": LeastSquaresRestorer,
    "sparse": SparseCodingRestorer,
    "block matching": BlockMatchingRestorer,
    "total variation": TotalVariationRestorer,
}

# Pixels of the corner that is shown to `fit`: `predict` chooses anew for each image.
CORNER = 96


def files(path, pattern):
    return sorted(path.glob(pattern)) if path.is_dir() else [path]


def psnr(image, truth):
    error = np.clip(image, 0, 255) - truth
    return 10 * np.log10(255**2 / np.mean(error**2))


def border_gain(psf, observed, truth, restored):
    width = max(psf.shape) // 2
    band = np.ones(truth.shape, dtype=bool)
    band[width:-width, width:-width] = False
    before, after = (
        np.mean((x[band] - truth[band]) ** 2) for x in (observed, restored)
    )
    return 10 * np.log10(before / after)


def measure(images, psf, noise, restorer, seed):
    """PSNR, border gain and seconds of each image."""
    degrade = Degradation([Blur(psf), GaussianNoise(noise)], random_state=seed)
    rows = []
    for image in images:
        observed, truth = degrade.pair(image[None])
        restorer.fit(observed[:, :CORNER, :CORNER])
        start = time.perf_counter()
        restored = restorer.predict(observed)
        took = time.perf_counter() - start
        gain = border_gain(psf, observed[0], truth[0], restored[0])
        rows.append((psnr(restored, truth), gain, took))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("kernels", type=Path)
    parser.add_argument("--noise", type=float, nargs="*", default=[2.55, 7.65])
    parser.add_argument(
        "--restorers", nargs="*", default=[*RESTORERS], choices=RESTORERS
    )
    parser.add_argument("--told", action="store_true", help="tell the noise level")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", PSFWarning)  # these kernels are off their centres
    paths = files(arguments.images, "*.png")
    images = [imageio.imread(path).astype(np.float32) for path in paths]
    print("noise  restorer         kernel          PSNR   border gain   s per image")
    for noise in arguments.noise:
        for name in arguments.restorers:
            rows, names = [], []
            for path in files(arguments.kernels, "*.npy"):
                psf = np.load(path)
                psf = psf / psf.sum()
                restorer = RESTORERS[name](psf).set_params(data_range=255)
                if arguments.told and "noise_std" in restorer.get_params():
                    restorer.set_params(noise_std=noise)
                rows += measure(images, psf, noise, restorer, zlib.crc32(psf.tobytes()))
                names += [f"{image.stem} {path.stem}" for image in paths]
                report(noise, name, path.stem, rows[-len(images) :])
            report(noise, name, "all", rows)
            for label, (_, gain, _) in zip(names, rows, strict=True):
                if gain < 0:
                    print(f"       worse at the border: {label} {gain:.2f} dB")


def report(noise, name, kernel, rows):
    score, gain, took = np.transpose(rows)
    print(
        f"{noise:5.2f}  {name:16} {kernel:14} {score.mean():5.2f}  {gain.min():12.1f}  "
        f"{took.mean():12.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
