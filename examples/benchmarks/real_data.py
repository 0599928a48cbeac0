"""Self-tuned classical restorers on real data: PSNR, time and figures.

    python real_data.py [--volumes FOLDER] [--fluorescence FOLDER] -o OUTPUT_FOLDER
        [--only PART ...]

volumes
    ``bars-25pct_{data,kernel,actual}.tif`` of flowdec: bars under a widefield
    microscope, with its PSF. Data and truth have different scales, so that the PSNR is
    that of ``a * restored + b`` with the least squares a and b.
fluorescence
    Samples of the fluorescence microscopy denoising dataset (Zhang et al., CVPR 2019,
    doi 10.7274/r0-ed2r-4052): one shot each, and the average of 50. The grey images
    that are stored as three equal channels are taken as grey.
scikit-image
    Pictures that come with it, without truth, and with a PSF that is a guess.

No strength is given anywhere: each image gets what its restorer chooses for it.
"""

import argparse
import time
from pathlib import Path

import imageio.v3 as iio
import matplotlib.pyplot as plt
import numpy as np
import skimage.data

from skdeconv import (
    BlockMatchingRestorer,
    LeastSquaresRestorer,
    MedianRestorer,
    NonLocalMeansRestorer,
    RichardsonLucyRestorer,
    SparseCodingRestorer,
    TotalVariationRestorer,
    WaveletRestorer,
    WienerRestorer,
)
from skdeconv.metrics import psnr
from skdeconv.operators import airy_psf, gaussian_psf


def affine_psnr(truth, x):
    """PSNR of the affine function of x that is closest to the truth."""
    slope, offset = np.polyfit(x.ravel().astype(float), truth.ravel().astype(float), 1)
    return psnr(truth[None], slope * x[None] + offset, data_range=float(np.ptp(truth)))


def byte_psnr(truth, x):
    return psnr(truth[None], x[None].clip(0, 255), data_range=255)


def chosen(restorer):
    """What the restorer chose by itself."""
    for name in ("alpha_", "n_iter_", "noise_std_"):
        value = getattr(restorer, name, None)
        if value is not None and getattr(restorer, "criterion_", name) is not None:
            return f"{name} {np.ravel(value)[0]:.3g}"
    return ""


def compare(title, observed, restorers, truth=None, measure=byte_psnr):
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
        score = "" if truth is None else f"{measure(truth, restored):.2f} dB"
        print(
            f"{name:24s} {score:>9s} {took:7.1f} s  {restored.min():8.1f} to "
            f"{restored.max():8.1f}  {chosen(restorer)}",
            flush=True,
        )
        shown[f"{name}, {score}" if score else name] = restored
    if truth is not None:
        shown["truth"] = truth
    return shown


def draw(path, rows, limits=None, n_columns=5):
    """Draw rows of {caption: image}; limits of None are each image's own."""
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
        low, high = limits or (image.min(), np.percentile(image, 99.8))
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
    span = {"data_range": float(data.max())}
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
        },
        truth,
        affine_psnr,
    )
    middle = [n // 2 for n in data.shape]
    rows = [
        {f"xy: {caption}": volume[middle[0]] for caption, volume in shown.items()},
        {f"xz: {caption}": volume[:, middle[1]] for caption, volume in shown.items()},
    ]
    draw(output / "bars.png", rows)


def denoisers(ndim=2):
    return {
        "median": MedianRestorer(ndim=ndim),
        "wavelets": WaveletRestorer(ndim=ndim),
        "non-local means": NonLocalMeansRestorer(ndim=ndim),
        "total variation": TotalVariationRestorer(ndim=ndim),
        "sparse coding": SparseCodingRestorer(ndim=ndim, random_state=0),
        "block matching": BlockMatchingRestorer(ndim=ndim),
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
        shown = compare(title, noisy, denoisers(), clean)
        crops = {caption: image[180:340, 180:340] for caption, image in shown.items()}
        high = float(np.percentile(clean[180:340, 180:340], 99.8))
        draw(output / f"{names[0]}.png", [crops], (0, high), n_columns=4)
    noisy, clean = (
        iio.imread(folder / f"3D_volume_{name}_stack1_32bit.tif")
        for name in ("raw", "gt")
    )
    restorers = denoisers() | {
        f"{name}, 3-D": restorer.set_params(data_range=255.0)
        for name, restorer in denoisers(3).items()
        if name in ("median", "wavelets", "total variation")
    }
    middle = len(noisy) // 2
    shown = {}
    for restorer in restorers.values():
        restorer.set_params(data_range=255.0)
    flat = {name: r for name, r in restorers.items() if "3-D" not in name}
    shown = compare("stack, middle slice", noisy[middle], flat, clean[middle])
    deep = {name: r for name, r in restorers.items() if "3-D" in name}
    last = shown.popitem()
    volumes = compare("stack", noisy, deep, clean)
    shown |= {k: v[middle] for k, v in list(volumes.items())[1:-1]} | dict([last])
    crops = {caption: image[180:340, 180:340] for caption, image in shown.items()}
    draw(output / "stack.png", [crops], (0, 80), n_columns=4)


def pictures(output):
    where = {
        "hubble_deep_field": ((400, 560), (460, 620), airy_psf(2.0)),
        "cell": ((200, 420), (150, 370), gaussian_psf(1.6)),
        "microaneurysms": ((0, 102), (0, 102), gaussian_psf(1.2)),
    }
    for name, (rows, columns, psf) in where.items():
        picture = getattr(skimage.data, name)()
        shown = compare(
            name,
            picture,
            {
                "Wiener": WienerRestorer(psf),
                "Richardson-Lucy": RichardsonLucyRestorer(psf),
                "total variation": TotalVariationRestorer(psf),
                "block matching": BlockMatchingRestorer(psf),
            },
        )
        crop = slice(*rows), slice(*columns)
        high = float(np.percentile(picture[crop], 99.8))
        corner = slice(0, rows[1] - rows[0]), slice(0, columns[1] - columns[0])
        panels = [{caption: x[crop] for caption, x in shown.items()}]
        if picture[crop].shape != picture.shape:
            panels += [{f"corner: {name}": x[corner] for name, x in shown.items()}]
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
