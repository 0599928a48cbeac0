"""Super-resolution of the luma channel by a small network, beside published figures.

``DeconvRestorer(upscale=2)`` on photographs that are made coarser afresh for every
patch. Protocol: Y of studio-range YCbCr; images cropped to a multiple of the factor;
antialiased bicubic interpolation as MATLAB's imresize makes the coarse images, which
are rounded; the answer is clipped and rounded; as many pixels as the factor are left
out at the border; PSNR for a peak of 255, averaged over the images.
``python super_resolution.py PHOTOGRAPHS TEST [--module fsrcnn] [--minutes 20]``
"""

import argparse
import time
from pathlib import Path

import numpy as np
from _images import psnr, read_luma
from PIL import Image

from skdeconv import DeconvRestorer, Degradation
from skdeconv.degradations import Quantisation
from skdeconv.operators import Downsample

# Mean PSNR on the 5 usual images ("Set5").
PUBLISHED = {
    "bicubic": {2: 33.66, 3: 30.39, 4: 28.42},
    "SRCNN": {2: 36.66, 3: 32.75, 4: 30.48},
    "FSRCNN": {2: 37.00, 3: 33.16, 4: 30.71},
}


def bicubic(coarse, factor):
    """Interpolate as the published figures do; torch takes another cubic."""
    size = (factor * coarse.shape[1], factor * coarse.shape[0])
    return np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--module", default="fsrcnn")
    parser.add_argument("--factor", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--checkpoint", type=Path, default=None)
    arguments = parser.parse_args()
    factor = arguments.factor
    degradation = Degradation([Downsample(factor), Quantisation(256, 255.0)])
    restorer = DeconvRestorer(
        arguments.module,
        upscale=factor,
        degradation=degradation,
        criterion="l1",
        optimizer__betas=(0.9, 0.99),
        lr=3e-3,
        max_grad_norm=1.0,
        ema_decay=0.999,
        batch_size=16,
        patch_size=48,
        patches_per_epoch=1600,
        max_epochs=10**4,
        max_time=60 * arguments.minutes,
        validation_fraction=0.0,
        data_range=255.0,
        checkpoint=arguments.checkpoint,
        random_state=0,
        verbose=1,
    )
    photographs = list(read_luma(arguments.photographs).values())
    start = time.perf_counter()
    restorer.fit(photographs)
    seconds = time.perf_counter() - start
    rows = []
    for name, image in read_luma(arguments.test).items():
        frame = tuple(slice(n - n % factor) for n in image.shape)
        truth = np.rint(image[frame])
        coarse = degradation.fit(truth[None]).transform(truth[None])[0]
        coarse = coarse.astype(np.float32)
        restored = restorer.predict(coarse[None])[0]
        rows.append(
            (
                psnr(bicubic(coarse, factor), truth, factor),
                psnr(restored, truth, factor),
            )
        )
        print(f"{name:12} bicubic {rows[-1][0]:6.2f}  ours {rows[-1][1]:6.2f}")
    before, after = np.mean(rows, axis=0)
    parameters = sum(p.numel() for p in restorer.net_.module_.parameters())
    print(f"{'mean':12} bicubic {before:6.2f}  ours {after:6.2f}", end="  ")
    print(f"({arguments.module}, {parameters} parameters, {seconds / 60:.1f} min)")
    print("published   ", {name: row[factor] for name, row in PUBLISHED.items()})


if __name__ == "__main__":
    main()
