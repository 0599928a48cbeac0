"""Self-tuned restorers on real data: PSNR, time and figures.

    python real_data.py [--volumes FOLDER] [--fluorescence FOLDER] -o OUTPUT_FOLDER

volumes
    ``bars-25pct_{data,kernel,actual}.tif`` of flowdec: bars under a widefield
    microscope, with its PSF. Data and truth have different scales, so that the PSNR is
    that of ``a * restored + b`` with the least squares a and b. Borders are
    taken as periodic, which is not the default: the truth, blurred so, fits the data
    better.
fluorescence
    Samples of the fluorescence microscopy denoising dataset (Zhang et al., CVPR 2019,
    doi 10.7274/r0-ed2r-4052): one shot each, and the average of 50. The grey images
    that are stored as three equal channels are taken as grey. Their middle 256 x 256
    pixels are used. The pages of the "3-D" stack are three stains, not three depths,
    and are restored one by one.
scikit-image
    Pictures that come with it, without truth, and with a PSF that is a guess.

No strength is given anywhere: each image gets what its restorer chooses for it. Where
there is truth, the column "pairs" tells what ``fit(X, y)`` would have reached.
"""

import argparse
import time
from pathlib import Path

import imageio.v3 as iio
import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from sklearn.base import clone

from skdeconv import (
    BlockMatchingRestorer,
    LeastSquaresRestorer,
    MedianRestorer,
    NonLocalMeansRestorer,
    PlugAndPlayRestorer,
    PretrainedDenoiser,
    RichardsonLucyRestorer,
    SparseCodingRestorer,
    TotalVariationRestorer,
    WaveletRestorer,
    WienerRestorer,
)
from skdeconv.metrics import psnr
from skdeconv.operators import airy_psf, gaussian_psf

MIDDLE = slice(128, 384), slice(128, 384)
DETAIL = slice(52, 212), slice(52, 212)


def affine_psnr(truth, x):
    """PSNR of the affine function of x that is closest to the truth."""
    slope, offset = np.polyfit(x.ravel().astype(float), truth.ravel().astype(float), 1)
    return psnr(truth[None], slope * x[None] + offset, data_range=float(np.ptp(truth)))


def byte_psnr(truth, x):
    return psnr(truth[None], x[None].clip(0, 255), data_range=255)


def chosen(restorer):
    """What the restorer chose by itself."""
    names = ["noise_std_"]
    if getattr(restorer, "criterion_", None):
        names = ["alpha_", "noise_std_", "n_iter_"]
    found = [name for name in names if hasattr(restorer, name)]
    return f"{found[0]} {np.ravel(getattr(restorer, found[0]))[0]:.3g}" if found else ""


def compare(title, observed, restorers, truth=None, measure=byte_psnr, pairs=True):
    """Restore one image by all, print a table, and return the images by caption."""
    print(f"\n{title}, {observed.shape} {observed.dtype}")
    shown = {"observed": observed}
    if truth is not None:
        score = measure(truth, observed)
        print(f"{'input':24s} {score:6.2f} dB")
        shown = {f"observed, {score:.2f} dB": observed}
    for name, restorer in restorers.items():
        start = time.perf_counter()
        restored = restorer.fit(observed[None]).predict(observed[None])[0]
        took = time.perf_counter() - start
        score, best = "", ""
        what = chosen(restorer)
        if truth is not None:
            score = f"{measure(truth, restored):.2f} dB"
        if truth is not None and pairs:
            tuned = clone(restorer).fit(observed[None], truth[None])
            best = f"{measure(truth, tuned.predict(observed[None])[0]):.2f} dB"
            what += f" (pairs: {chosen(tuned)})"
        span = f"{restored.min():8.1f} to {restored.max():8.1f}"
        print(
            f"{name:24s} {score:>9s} {best:>9s} {took:7.1f} s {span}  {what}",
            flush=True,
        )
        shown[f"{name}, {score}" if score else name] = restored
    if truth is not None:
        shown["truth"] = truth
    return shown


def draw(path, rows, limits=None, n_columns=6):
    """Draw rows of {caption: image}; limits of None are each image's own, above 0."""
    panels = [panel for row in rows for panel in row.items()]
    n_columns = min(n_columns, max(map(len, rows)))
    if len(rows) > 1:
        n_columns = max(map(len, rows))
    n_rows = -(-len(panels) // n_columns)
    height = 3 * max(image.shape[0] / image.shape[1] for _, image in panels) + 0.3
    figure, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(3 * n_columns, height * n_rows),
        layout="constrained",
        squeeze=False,
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, (caption, image) in zip(axes.flat, panels, strict=False):
        low, high = limits or (max(0, image.min()), np.percentile(image, 99.8))
        if image.ndim == 3:
            image = (image.astype(float) / 255).clip(0, 1)
        axis.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        axis.set_title(caption, fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def volumes(folder, output):
    data, psf, truth = (
        iio.imread(folder / f"bars-25pct_{name}.tif")
        for name in ("data", "kernel", "actual")
    )
    psf = psf / psf.sum()
    span = {"data_range": float(data.max()), "boundary": "periodic"}
    shown = compare(
        "bars",
        data,
        {
            "Wiener": WienerRestorer(psf, **span),
            "Richardson-Lucy": RichardsonLucyRestorer(psf, **span),
            "Richardson-Lucy, TV": RichardsonLucyRestorer(psf, tv_weight=0.01, **span),
            "least squares, >= 0": LeastSquaresRestorer(
                psf, method="fista", nonnegative=True, **span
            ),
            "total variation": TotalVariationRestorer(psf, **span),
            "block matching": BlockMatchingRestorer(psf, **span),
            "plug-and-play": PlugAndPlayRestorer(psf, **span),
        },
        truth,
        affine_psnr,
        pairs=False,
    )
    middle = [n // 2 for n in data.shape]
    rows = [
        {f"xy: {caption}": volume[middle[0]] for caption, volume in shown.items()},
        {f"xz: {caption}": volume[:, middle[1]] for caption, volume in shown.items()},
    ]
    draw(output / "bars.png", rows)


def denoisers():
    return {
        "median": MedianRestorer(),
        "wavelets": WaveletRestorer(),
        "non-local means": NonLocalMeansRestorer(),
        "total variation": TotalVariationRestorer(),
        "sparse coding": SparseCodingRestorer(random_state=0),
        "block matching": BlockMatchingRestorer(),
        "pretrained": PretrainedDenoiser(fine_tune=False),
    }


def fluorescence(folder, output):
    pairs = {
        "BPAE, confocal": ("BPAE_R_Channel_noisy_image", "BPAE_R_Channel_gt_image"),
        "BPAE, wide field": (
            "WideField_BPAE_raw_rgb_new1",
            "WideField_BPAE_gt_rgb_new1",
        ),
    }
    for title, names in pairs.items():
        noisy, clean = (iio.imread(folder / f"{name}.png") for name in names)
        if (noisy == noisy[..., :1]).all():
            noisy, clean = noisy[..., 0], clean[..., 0]
        noisy, clean = noisy[MIDDLE], clean[MIDDLE]
        shown = compare(title, noisy, denoisers(), clean)
        crops = {caption: image[DETAIL] for caption, image in shown.items()}
        high = float(np.percentile(clean[DETAIL], 99.8))
        draw(output / f"{names[0]}.png", [crops], (0, high), n_columns=4)
    stacks = [
        iio.imread(folder / f"3D_volume_{name}_stack1_32bit.tif")[:, *MIDDLE]
        for name in ("raw", "gt")
    ]
    for stain, (noisy, clean) in enumerate(zip(*stacks, strict=True)):
        restorers = {k: r.set_params(data_range=255.0) for k, r in denoisers().items()}
        shown = compare(f"stack, stain {stain}", noisy, restorers, clean)
        crops = {caption: image[DETAIL] for caption, image in shown.items()}
        high = float(np.percentile(clean[DETAIL], 99.8))
        draw(output / f"stain_{stain}.png", [crops], (0, high), n_columns=4)


def pictures(output):
    where = {
        "hubble_deep_field": (slice(300, 620), slice(350, 670), airy_psf(2.0)),
        "cell": (slice(340, 660), slice(230, 550), gaussian_psf(1.6)),
        # Chosen by eye: with wider guesses the restored image is mostly noise.
        "microaneurysms": (slice(None), slice(None), gaussian_psf(0.9)),
    }
    for name, (rows, columns, psf) in where.items():
        picture = getattr(skimage.data, name)()[rows, columns]
        shown = compare(
            name,
            picture,
            {
                "Wiener": WienerRestorer(psf),
                "Richardson-Lucy": RichardsonLucyRestorer(psf),
                "total variation": TotalVariationRestorer(psf),
                "block matching": BlockMatchingRestorer(psf),
                "plug-and-play": PlugAndPlayRestorer(psf),
            },
        )
        high = float(np.percentile(picture, 99.8))
        corner, middle = slice(0, 100), slice(100, 200)
        panels = [
            {caption: x[middle, middle] for caption, x in shown.items()},
            {f"corner: {caption}": x[corner, corner] for caption, x in shown.items()},
        ]
        if len(picture) < 200:
            panels = [shown]
        draw(output / f"{name}.png", panels, (float(picture.min()), high))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--volumes", type=Path)
    parser.add_argument("--fluorescence", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    if args.volumes:
        volumes(args.volumes, args.output)
    if args.fluorescence:
        fluorescence(args.fluorescence, args.output)
    pictures(args.output)


if __name__ == "__main__":
    main()
