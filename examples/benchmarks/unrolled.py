"""Plug-and-play against the same turns as a trained network, at equal numbers of them.

Grey photographs are blurred by one motion kernel, with noise of 2.55 of 255 and real
borders (``Degradation.pair``). The network is trained on other photographs for some
minutes, on top of the weights of the package. PSNR is for a peak of 255, of the answer
clipped and rounded, averaged over the images; ``other`` is for a second kernel, which
the network was not trained for. ``python unrolled.py TRAINING TEST KERNEL OTHER
[--minutes 10] [--turns 4]``, with folders of images and kernels as .npy.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from _images import psnr, read_grey

from skdeconv import Degradation, PlugAndPlayRestorer, UnrolledRestorer
from skdeconv.degradations import GaussianNoise
from skdeconv.exceptions import PSFWarning
from skdeconv.operators import Blur

NOISE = 2.55


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("training", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("kernel", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--turns", type=int, default=4)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", PSFWarning)  # some kernels are off their centres

    scenes = [x.astype(np.float32) for x in read_grey(arguments.training).values()]
    images = [x.astype(np.float32) for x in read_grey(arguments.test).values()]
    psf, other = np.load(arguments.kernel), np.load(arguments.other)
    common = {"noise_std": NOISE, "max_iter": arguments.turns, "data_range": 255}
    degrade = Degradation([Blur(psf), GaussianNoise(NOISE)], random_state=0)
    plain = PlugAndPlayRestorer(psf, **common).fit(degrade.pair(images)[0])
    trained = UnrolledRestorer(
        psf,
        degradation=degrade,
        max_epochs=10**6,
        max_time=60 * arguments.minutes,
        validation_fraction=0,
        random_state=0,
        **common,
    ).fit(scenes)
    print(f"{trained.n_iter_} epochs, {arguments.turns} turns")
    for name, kernel in (("trained for", psf), ("other", other)):
        degrade = Degradation([Blur(kernel), GaussianNoise(NOISE)], random_state=1)
        observed, truth = degrade.pair(images)
        for method in (plain, trained):
            answers = method.predict(observed, psf=kernel)
            scores = [psnr(a, t) for a, t in zip(answers, truth, strict=True)]
            print(f"{name:12} {type(method).__name__:20} {np.mean(scores):.2f} dB")


if __name__ == "__main__":
    main()
