"""What a strength that chooses itself loses against the best one.

    python automatic_strength.py FOLDER [--kernels FOLDER] [--size 256] [--only NAME]

Middles of the grey images of a folder are blurred with real borders, noise is added,
and every restorer restores them at each strength of a fine grid and at its own choice.
Printed are the mean PSNR at the best strength of each image (oracle) and at the choice,
and the loss between them, mean and worst, in dB.
"""

import argparse
from pathlib import Path

import numpy as np
from skimage.io import imread

from skdeconv import Degradation, TotalVariationRestorer
from skdeconv._images import middle
from skdeconv.degradations import GaussianNoise
from skdeconv.metrics import psnr
from skdeconv.operators import Blur, disk_psf, gaussian_psf, motion_psf

# Name: (maker of a restorer of a PSF or None, parameter, its grid, whether it serves
# without a PSF).
RESTORERS = {
    "TotalVariation": (
        TotalVariationRestorer,
        "alpha",
        np.geomspace(3e-4, 1, 28),
        True,
    ),
}


def blurs(folder):
    """Yield names, PSFs and noise levels in the units of 8-bit images."""
    yield "none", None, (5, 15, 25, 50)
    yield "gauss", gaussian_psf(1.6), (2.55, 7.65)
    yield "disk", disk_psf(3), (2.55, 7.65)
    yield "motion", motion_psf(11, angle=30), (2.55, 7.65)
    for path in sorted(Path(folder).glob("*.npy"))[:8:5] if folder else ():
        yield path.stem, np.load(path), (2.55, 7.65)


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
    restored = restorer.fit(observed).predict(observed)
    return psnr(truth, restored, data_range=255, reduction="none")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--kernels", help="folder of .npy files with further PSFs")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--only", help="restorers whose name holds this")
    parser.add_argument("--blur", help="blurs whose name holds this")
    options = parser.parse_args()
    images = [
        imread(path, as_gray=True)
        for path in sorted(Path(options.folder).glob("*.png"))
    ]
    images = [x if x.max() > 1 else 255 * x for x in map(np.asarray, images)]
    print(
        f"{'restorer':16}{'blur':14}{'noise':>6}{'oracle':>8}{'chosen':>8}"
        f"{'loss':>7}{'worst':>7}"
    )
    for name, (kind, parameter, grid, plain) in RESTORERS.items():
        losses = []
        for blur, psf, noises in blurs(options.kernels):
            if (options.only or "") not in name or (options.blur or "") not in blur:
                continue
            if psf is None and not plain:
                continue
            for noise in noises:
                observed, truth = observe(images, psf, noise, options.size)
                table = [
                    scores(kind(psf, data_range=255, **{parameter: v}), observed, truth)
                    for v in grid
                ]
                oracle = np.max(table, axis=0)
                chosen = scores(kind(psf, data_range=255), observed, truth)
                losses.append(oracle - chosen)
                print(
                    f"{name:16}{blur:14}{noise:6.2f}{oracle.mean():8.2f}"
                    f"{chosen.mean():8.2f}{losses[-1].mean():7.3f}"
                    f"{losses[-1].max():7.2f}",
                    flush=True,
                )
        if losses:
            all_losses = np.concatenate(losses)
            print(f"{name:52}{all_losses.mean():7.3f}{all_losses.max():7.2f}")


if __name__ == "__main__":
    main()
