"""What a strength that chooses itself loses against the best one.

    python automatic_strength.py FOLDER [--kernels FOLDER] [--count 12] [--only NAME]

Middles of the images of a folder, in grey, are blurred with real borders, noise is
added, and every restorer restores them at each strength of a fine grid and at its own
choice, made without the truth. Printed are the mean PSNR at the best strength of each
image (oracle) and at the choice, and the loss between them, mean and worst, in dB.
``--told`` tells the noise level to those that ask for it: the rest of the loss is that
of the criterion.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from skimage.io import imread

from skdeconv import (
    Degradation,
    LeastSquaresRestorer,
    RichardsonLucyRestorer,
    SparseCodingRestorer,
    TotalVariationRestorer,
    WienerRestorer,
)
from skdeconv._images import middle
from skdeconv.degradations import GaussianNoise
from skdeconv.exceptions import NoiseWarning, PSFWarning
from skdeconv.metrics import psnr
from skdeconv.operators import Blur, disk_psf, gaussian_psf, motion_psf


def geomspace(low, high, ratio=1.35):
    return np.geomspace(low, high, 1 + round(np.log(high / low) / np.log(ratio)))


# Name: maker of a restorer of a PSF or None, its parameters, the grid of its strength,
# whether it serves without a PSF.
RESTORERS = {
    "Wiener": (WienerRestorer, {}, geomspace(1e-4, 30), True),
    "Wiener, identity": (
        WienerRestorer,
        {"regularizer": "identity"},
        geomspace(1e-4, 10),
        True,
    ),
    "Wiener, spectrum": (
        WienerRestorer,
        {"regularizer": "spectrum"},
        geomspace(0.05, 10),
        True,
    ),
    "LeastSquares": (LeastSquaresRestorer, {}, geomspace(1e-4, 30), True),
    "LeastSquares, steps": (
        LeastSquaresRestorer,
        {"alpha": 0, "max_iter": "auto"},
        None,
        False,
    ),
    "Sparse": (SparseCodingRestorer, {}, geomspace(3e-5, 1e-1), False),
    "RichardsonLucy": (RichardsonLucyRestorer, {}, None, False),
    "TotalVariation": (TotalVariationRestorer, {}, geomspace(3e-4, 1), True),
}


def blurs(folder):
    """Yield names, PSFs and noise levels in the units of 8-bit images."""
    yield "none", None, (5, 15, 25, 50)
    yield "gauss", gaussian_psf(1.6), (2.55, 7.65)
    yield "disk", disk_psf(3), (2.55, 7.65)
    yield "motion", motion_psf(11, angle=30), (2.55, 7.65)
    for path in sorted(Path(folder).glob("*.npy"))[:8:5] if folder else ():
        yield path.stem, np.load(path), (2.55, 7.65)


def load(folder, count):
    """Grey images in the range of 8 bits, evenly spaced among the files."""
    paths = [
        path
        for path in sorted(Path(folder).iterdir())
        if path.suffix in (".png", ".webp", ".jpg", ".bmp", ".tif")
    ]
    chosen = np.linspace(0, len(paths) - 1, min(count or len(paths), len(paths)))
    images = [np.asarray(imread(paths[round(i)], as_gray=True)) for i in chosen]
    return [x if x.max() > 1 else 255 * x for x in images]


def observe(images, psf, noise_std, size):
    """Degraded middles and the truth behind them, as stacks of equal shape."""
    support = np.array((1, 1) if psf is None else psf.shape)
    steps = [GaussianNoise(noise_std)]
    if psf is not None:
        steps.insert(0, Blur(psf))
    degrade = Degradation(steps, random_state=0)
    scenes = [middle(image, size + support.max() - 1) for image in images]
    return degrade.pair([scene.astype(np.float32) for scene in scenes])


def scores(restorer, observed, truth):
    restorer.fit(observed[:1])  # `predict` chooses anew for each image
    restored = restorer.predict(observed)
    return psnr(truth, restored, data_range=255, reduction="none")


def best_scores(restorer, grid, observed, truth):
    """The best PSNR of each image."""
    if grid is None:  # the number of iterations: a run looks at all
        pairs = zip(observed, truth, strict=True)
        return np.array(
            [restorer.fit(x[None], y[None]).path_["criterion"].max() for x, y in pairs]
        )
    table = [scores(restorer.set_params(alpha=a), observed, truth) for a in grid]
    return np.max(table, axis=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--kernels", help="folder of .npy files with further PSFs")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--count", type=int, help="take so many images")
    parser.add_argument("--step", type=int, default=1, help="take every n-th strength")
    parser.add_argument("--only", nargs="*", default=[*RESTORERS], choices=RESTORERS)
    parser.add_argument("--blur", default="", help="blurs whose name holds this")
    parser.add_argument("--told", action="store_true", help="tell the noise level")
    options = parser.parse_args()
    for category in (PSFWarning, NoiseWarning):
        warnings.simplefilter("ignore", category)
    images = load(options.folder, options.count)
    print(
        f"{'restorer':20}{'blur':12}{'noise':>6}{'oracle':>8}{'chosen':>8}"
        f"{'loss':>7}{'worst':>7}"
    )
    for name in options.only:
        kind, parameters, grid, plain = RESTORERS[name]
        grid = None if grid is None else grid[:: options.step]
        losses = []
        for blur, psf, noises in blurs(options.kernels):
            if options.blur not in blur or (psf is None and not plain):
                continue
            for noise in noises:
                observed, truth = observe(images, psf, noise, options.size)
                restorer = kind(psf, data_range=255, **parameters)
                if options.told and "noise_std" in restorer.get_params():
                    restorer.set_params(noise_std=noise)
                chosen = scores(restorer, observed, truth)
                oracle = best_scores(restorer, grid, observed, truth)
                loss = oracle - chosen
                losses.extend(loss)
                print(
                    f"{name:20}{blur:12}{noise:6.2f}{oracle.mean():8.2f}"
                    f"{chosen.mean():8.2f}{loss.mean():7.3f}{loss.max():7.2f}"
                    f"  {np.argmax(loss)}",
                    flush=True,
                )
        if losses:
            print(f"{name:54}{np.mean(losses):7.3f}{np.max(losses):7.2f}")


if __name__ == "__main__":
    main()
