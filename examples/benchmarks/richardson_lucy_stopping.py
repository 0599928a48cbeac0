"""How well Richardson-Lucy stops itself, against the best iteration.

    python richardson_lucy_stopping.py FOLDER [KERNELS]

FOLDER holds clean 8-bit images, KERNELS optionally ``.npy`` PSFs, such as those of
Levin et al. (2009). Blur and noise are those of ``Degradation.pair``; restored images
are neither clipped nor rounded. Printed are means over the images: the PSNR of the best
iteration of each image, found with the truth, that of the iterations chosen without
truth (``fit(X)``) and the loss; then the loss of one number of iterations chosen on the
pairs (``fit(X, y)``), which is fitted to all images together.
"""

import sys
from pathlib import Path

import imageio.v3 as iio
import numpy as np

from skdeconv import RichardsonLucyRestorer
from skdeconv.datasets import load_photographs
from skdeconv.degradations import Degradation, GaussianNoise, PoissonNoise
from skdeconv.metrics import psnr
from skdeconv.operators import Blur, disk_psf, gaussian_psf, motion_psf

SIDE = 192
NOISES = {
    "Gaussian 2.55": GaussianNoise(2.55),
    "Gaussian 7.65": GaussianNoise(7.65),
    "Poisson 0.1": PoissonNoise(0.1),
    "Poisson 1": PoissonNoise(1.0),
}


def blurs(folder):
    """PSFs by name; the first and the fifth of a folder."""
    psfs = {
        "Gaussian 1.6": gaussian_psf(1.6),
        "disk 3": disk_psf(3),
        "motion 11": motion_psf(11, angle=30),
    }
    if folder:
        kernels = sorted(Path(folder).glob("*.npy"))
        psfs |= {path.stem: np.load(path) for path in kernels[:5:4]}
    return psfs


def middle(image, psf):
    """The part that gives SIDE x SIDE pixels of observation."""
    edges = [
        (n - SIDE - k + 1, SIDE + k - 1)
        for n, k in zip(image.shape, psf.shape, strict=True)
    ]
    return image[tuple(slice(a // 2, a // 2 + size) for a, size in edges)]


def measure(images, psf, noise):
    """PSNR of the best, the chosen and the paired iteration of each image."""
    scenes = np.stack([middle(image, psf) for image in images]).astype(np.float32)
    observed, truth = Degradation([Blur(psf), noise], random_state=0).pair(scenes)
    curves = []
    tuned = RichardsonLucyRestorer(psf, data_range=255)
    for x, y in zip(observed, truth, strict=True):
        curves.append(tuned.fit(x[None], y[None]).path_["criterion"][0])
    alone = tuned.fit(observed).predict(observed)
    chosen = psnr(truth, alone, data_range=255, reduction="none")
    curves = np.stack(curves)
    together = curves[:, curves.mean(0).argmax()]
    return curves.max(1), chosen, together


def table(images, psfs):
    losses = []
    print("blur            noise          best  chosen  loss  worst  on pairs")
    for name, psf in psfs.items():
        for noise_name, noise in NOISES.items():
            best, chosen, together = measure(images, psf, noise)
            loss, shared = best - chosen, best - together
            losses.extend(loss)
            print(
                f"{name:15} {noise_name:13} {best.mean():5.2f}  {chosen.mean():6.2f} "
                f"{loss.mean():5.2f}  {loss.max():5.2f}  {shared.mean():8.2f}",
                flush=True,
            )
    print(
        f"all {len(losses)} runs: loss {np.mean(losses):.3f}, worst {max(losses):.2f}"
    )


def main(folder, kernels=None):
    sets = {
        folder: [iio.imread(path) for path in sorted(Path(folder).glob("*.png"))],
        "load_photographs": load_photographs("test").images,
    }
    for name, images in sets.items():
        print(name)
        table([x for x in images if min(x.shape) >= SIDE + 40], blurs(kernels))


if __name__ == "__main__":
    main(*sys.argv[1:])
