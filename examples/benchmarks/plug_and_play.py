"""Plug-and-play restoration beside published figures: four tasks, one denoiser.

Everywhere PSNR is for a peak of 255, of the answer clipped and rounded, averaged over
images (and kernels), noise is Gaussian and neither clipped nor rounded, and restorers
are told its level. Tasks:

circular  Colour images, Gaussian PSF of std 1.6 on 25x25 pixels, periodic borders,
          noise 2.55. Published on 5 usual images ("Set5"): IRCNN+ 29.46, PnP-ADMM
          32.31, DPIR 32.38.
shake     Grey images, motion kernels, real borders (``Degradation.pair``), noise 2.55
          and 7.65. Published for 12 usual images ("Set12") and 8 kernels, whose borders
          were tapered instead: IRCNN 30.53 and 27.09, IDD-BM3D 31.43 and 27.56, FDN
          31.43 and 27.89, VEM-Net 31.93 and 28.47.
double    Super-resolution by 2 of the luma channel, made coarse as MATLAB's imresize
          does and rounded; 2 pixels are left out at the border. Bicubic interpolation
          beside it (33.66 for "Set5").
holes     Half the pixels are missing at random, no noise. Biharmonic inpainting of
          scikit-image beside it.
time      Seconds for a grey image of 512x512 pixels under a kernel.

``python plug_and_play.py TASK IMAGES [KERNELS]``, with folders.
"""

import argparse
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
from _images import psnr, read_colour, read_grey, read_luma
from super_resolution import bicubic

from skdeconv import (
    BlockMatchingRestorer,
    Degradation,
    PlugAndPlayRestorer,
    PretrainedDenoiser,
    TotalVariationRestorer,
)
from skdeconv.degradations import GaussianNoise, Quantisation
from skdeconv.exceptions import PSFWarning
from skdeconv.operators import Blur, Downsample

DENOISERS = {
    "pretrained": PretrainedDenoiser,
    "block matching": BlockMatchingRestorer,
    "total variation": TotalVariationRestorer,
}


def restorer(arguments, *args, **options):
    denoiser = DENOISERS[arguments.denoiser]()
    if arguments.weights is not None:
        denoiser.set_params(weights=arguments.weights)
    if arguments.max_iter is not None:
        options["max_iter"] = arguments.max_iter
    return PlugAndPlayRestorer(*args, denoiser=denoiser, data_range=255, **options)


def images(arguments, read):
    return list(read(arguments.images).items())[: arguments.n_images]


def apply(fitted, *args, **given):
    start = time.perf_counter()
    answer = fitted.predict(*args, **given)[0]
    return answer, time.perf_counter() - start


def circular(arguments):
    offset = np.arange(25) - 12
    psf = np.exp(-(offset[:, None] ** 2 + offset**2) / (2 * 1.6**2))
    for name, truth in images(arguments, read_colour):
        degrade = Degradation(
            [Blur(psf / psf.sum(), "periodic"), GaussianNoise(2.55)], random_state=0
        )
        observed = degrade.fit_transform(truth[None].astype(np.float32))
        options = {"noise_std": 2.55, "boundary": "periodic"}
        fitted = restorer(arguments, psf / psf.sum(), **options).fit(observed)
        answer, took = apply(fitted, observed)
        yield (
            "noise 2.55",
            name,
            psnr(observed[0], truth),
            psnr(answer, truth),
            took,
        )


def shake(arguments):
    pictures = images(arguments, read_grey)
    kernels = sorted(arguments.kernels.glob("*.npy"))[: arguments.n_kernels]
    kernels = {path.stem: np.load(path) for path in kernels}
    for noise in arguments.noise:
        for label, psf in kernels.items():
            psf = psf / psf.sum()
            seed = zlib.crc32(psf.tobytes())
            degrade = Degradation([Blur(psf), GaussianNoise(noise)], random_state=seed)
            for name, image in pictures:
                pair = degrade.pair(image[None].astype(np.float32))
                observed, truth = pair[0], pair[1][0]
                fitted = restorer(arguments, psf, noise_std=noise).fit(observed)
                answer, took = apply(fitted, observed)
                scores = psnr(observed[0], truth), psnr(answer, truth)
                yield f"noise {noise}", f"{name} {label}", *scores, took


def double(arguments):
    shrink = Downsample(2)
    degrade = Degradation([shrink, Quantisation(256, 255.0)])
    for name, image in images(arguments, read_luma):
        truth = np.rint(image[tuple(slice(n - n % 2) for n in image.shape)])
        coarse = degrade.fit_transform(truth[None].astype(np.float32))
        fitted = restorer(arguments, operator=shrink, noise_std=0.0).fit(coarse)
        answer, took = apply(fitted, coarse)
        scores = (psnr(v, truth, border=2) for v in (bicubic(coarse[0], 2), answer))
        yield "bicubic, x2", name, *scores, took


def holes(arguments):
    from skimage.restoration import inpaint_biharmonic  # noqa: PLC0415 - an extra

    for i, (name, truth) in enumerate(images(arguments, read_grey)):
        seen = np.random.default_rng(i).random(truth.shape) > 0.5
        holed = np.where(seen, truth, 0).astype(np.float32)
        fitted = restorer(arguments, noise_std=0.0)
        fitted.fit(holed[None], mask=seen[None])
        answer, took = apply(fitted, holed[None], mask=seen[None])
        other = inpaint_biharmonic(holed, ~seen)
        yield "biharmonic", name, psnr(other, truth), psnr(answer, truth), took


def timing(arguments):
    psf = np.load(sorted(arguments.kernels.glob("*.npy"))[0])
    image = next(iter(read_grey(arguments.images).values()))
    image = np.tile(image, (4, 4))[:512, :512].astype(np.float32)
    degrade = Degradation([Blur(psf), GaussianNoise(2.55)], random_state=0)
    observed = degrade.fit_transform(image[None])
    fitted = restorer(arguments, psf, noise_std=2.55).fit(observed)
    for _ in range(2):
        answer, took = apply(fitted, observed)
    yield "blurred", "512x512", psnr(observed[0], image), psnr(answer, image), took


TASKS = {
    "circular": circular,
    "shake": shake,
    "double": double,
    "holes": holes,
    "time": timing,
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("images", type=Path)
    parser.add_argument("kernels", type=Path, nargs="?")
    parser.add_argument("--denoiser", choices=DENOISERS, default="pretrained")
    parser.add_argument("--weights", type=Path, help="of another trained network")
    parser.add_argument("--max-iter", type=int)
    parser.add_argument("--n-images", type=int, help="only so many")
    parser.add_argument("--n-kernels", type=int, help="only so many")
    parser.add_argument("--noise", type=float, nargs="*", default=[2.55, 7.65])
    arguments = parser.parse_args()
    if arguments.task in ("shake", "time") and arguments.kernels is None:
        parser.error(f"{arguments.task} needs a folder of kernels (*.npy)")
    warnings.simplefilter("ignore", PSFWarning)  # some kernels are off their centres
    print(__doc__.split("``python")[0])
    rows = {}
    for group, name, before, after, took in TASKS[arguments.task](arguments):
        rows.setdefault(group, []).append((before, after, took))
        print(f"{name:32} {group:12} {before:6.2f}  {after:6.2f} dB {took:6.2f} s")
    for group, numbers in rows.items():
        before, after, took = np.mean(numbers, axis=0)
        print(f"{'mean':32} {group:12} {before:6.2f}  {after:6.2f} dB {took:6.2f} s")


if __name__ == "__main__":
    main()
