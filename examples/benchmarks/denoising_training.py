"""What a network learns about noise in so many minutes, from photographs alone.

``DeconvRestorer.fit`` on grey photographs, degraded afresh for every patch. Protocol of
the test: clean 8-bit images plus white Gaussian noise that is neither clipped nor
rounded; the answer is clipped and rounded; PSNR for a peak of 255, averaged over the
images. ``python denoising_training.py PHOTOGRAPHS TEST [--minutes 10] [--std 25]``
"""

import argparse
import time
from pathlib import Path

import numpy as np
from _images import psnr, read_grey

from skdeconv import DeconvRestorer, Degradation
from skdeconv.degradations import GaussianNoise


def denoiser(std, minutes, **parameters):
    """The restorer, with settings that were found good for minutes to hours."""
    return DeconvRestorer(
        module__width=(64, 96, 128),
        module__n_blocks=(3, 2, 2),
        criterion="l1",
        optimizer="muon",
        lr=2e-3,
        max_grad_norm=1.0,
        ema_decay=0.999,
        batch_size=8,
        patch_size=128,
        patches_per_epoch=800,
        max_epochs=10**4,
        max_time=60 * minutes,
        validation_fraction=0.0,
        degradation=Degradation([GaussianNoise(std)]),
        random_state=0,
        verbose=1,
        **parameters,
    )


def score(restorer, images, std):
    """Mean PSNR over noisy images, and that of the noisy images."""
    results = []
    for seed, clean in enumerate(images.values()):
        noise = np.random.default_rng(seed).standard_normal(clean.shape)
        noisy = (clean + std * noise).astype(np.float32)
        restored = restorer.predict(noisy[None])[0]
        results.append((psnr(restored, clean), psnr(noisy, clean)))
    return np.mean(results, axis=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--std", type=float, default=25)
    arguments = parser.parse_args()
    photographs = list(read_grey(arguments.photographs).values())
    test = read_grey(arguments.test)
    start = time.perf_counter()
    restorer = denoiser(arguments.std, arguments.minutes).fit(photographs)
    minutes = (time.perf_counter() - start) / 60
    pixels = sum(len(row["batches"]) for row in restorer.history_) * 8 * 128**2
    restored, noisy = score(restorer, test, arguments.std)
    print(f"{minutes:.1f} min, {pixels / 1e9:.2f} G pixels: ", end="")
    print(f"noisy {noisy:.2f} dB, restored {restored:.2f} dB", end="")
    turned, _ = score(restorer.set_params(self_ensemble=True), test, arguments.std)
    print(f", mean over turned images {turned:.2f} dB")


if __name__ == "__main__":
    main()
