"""What learning without clean images costs, against the same network with them.

All networks see the same photographs with the same noise, drawn once, for the same
number of steps. Protocol of the test: clean 8-bit images plus white Gaussian noise that
is neither clipped nor rounded; the answer is clipped and rounded; PSNR for a peak of
255, averaged over the images.
``python self_supervision.py PHOTOGRAPHS TEST [--epochs 20] [--std 25] [--module unet]
[--width 8] [--lr 6e-3] [--only clean sure neighbor2neighbor noise2void]``
"""

import argparse
import time
from pathlib import Path

import numpy as np
from _images import read_grey
from denoising_training import score

from skdeconv import DeconvRestorer


def restorer(epochs, module, width, lr, **parameters):
    return DeconvRestorer(
        module=module,
        module__width=width,
        lr=lr,
        ema_decay=0.999,
        batch_size=8,
        patch_size=96,
        patches_per_epoch=1600,
        max_epochs=epochs,
        validation_fraction=0.0,
        data_range=255.0,
        random_state=0,
        **parameters,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--std", type=float, default=25)
    parser.add_argument("--module", default="unet")
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--lr", type=float, default=6e-3)
    lessons = ["clean", "sure", "neighbor2neighbor", "noise2void"]
    parser.add_argument("--only", nargs="+", choices=lessons, default=lessons)
    arguments = parser.parse_args()
    clean = [i.astype(np.float32) for i in read_grey(arguments.photographs).values()]
    random = np.random.default_rng(0)
    noisy = [
        (i + arguments.std * random.standard_normal(i.shape)).astype(np.float32)
        for i in clean
    ]
    test, reference = read_grey(arguments.test), None
    for lesson in arguments.only:
        supervision = None if lesson == "clean" else lesson
        options = {"supervision": supervision}
        if supervision == "sure":
            options["noise_std"] = arguments.std
        start = time.perf_counter()
        network = arguments.module, arguments.width
        model = restorer(arguments.epochs, *network, arguments.lr, **options)
        model.fit(noisy, clean if supervision is None else None)
        seconds = time.perf_counter() - start
        restored, _ = score(model, test, arguments.std)
        reference = restored if reference is None else reference
        print(
            f"{lesson:18} {restored:6.2f} dB  "
            f"loss {reference - restored:5.2f}  {seconds:5.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
