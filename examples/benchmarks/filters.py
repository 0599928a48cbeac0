"""Denoising filters beside scikit-image's: quality and speed in one run.

    python examples/benchmarks/filters.py FOLDER [FILTER ...]

FOLDER holds clean grey images. White noise of 25 is added to them, ours at its defaults
is told the level, and of scikit-image's settings the best mean counts. Times are those
of one 512 x 512 image, grey and colour, with the same windows. Wavelets are compared
where PyWavelets is installed.
"""

import importlib.util
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.restoration import (
    cycle_spin,
    denoise_bilateral,
    denoise_nl_means,
    denoise_wavelet,
)

from skdeconv import (
    BilateralRestorer,
    MedianRestorer,
    NonLocalMeansRestorer,
    WaveletRestorer,
)
from skdeconv.metrics import psnr

SIGMA = 25.0
LEVEL = {"noise_std": SIGMA, "data_range": 255}


def median(size):
    def call(image, axis):
        window = (size, size) if axis is None else (size, size, 1)
        return ndimage.median_filter(image, window, mode="reflect")

    return call


def bilateral(strength, spatial):
    def call(image, axis):
        return 255 * denoise_bilateral(
            image / 255,
            sigma_color=strength * SIGMA / 255,
            sigma_spatial=spatial,
            mode="symmetric",
            channel_axis=axis,
        )

    return call


def nonlocal_means(patch, radius, strength):
    def call(image, axis):
        return denoise_nl_means(
            image,
            patch_size=patch,
            patch_distance=radius,
            h=strength * SIGMA,
            sigma=SIGMA,
            fast_mode=True,
            channel_axis=axis,
        )

    return call


def wavelet(name, shifts):
    def once(image, channel_axis=None):
        return 255 * denoise_wavelet(
            image / 255,
            sigma=SIGMA / 255,
            wavelet=name,
            method="BayesShrink",
            rescale_sigma=False,
            channel_axis=channel_axis,
        )

    def call(image, axis):
        if shifts == 0:
            return once(image, axis)
        return cycle_spin(image, once, shifts, workers=1, channel_axis=axis, func_kw={})

    return call


# Ours; scikit-image's settings to choose from; pairs of both to time.
CASES = {
    "median": (
        {s: MedianRestorer(s, data_range=255) for s in (3, 5)},
        {s: median(s) for s in (3, 5)},
        [(MedianRestorer(s, data_range=255), median(s)) for s in (3, 5)],
    ),
    "bilateral": (
        {"default": BilateralRestorer(**LEVEL)},
        {(k, s): bilateral(k, s) for k in (1, 1.5, 2) for s in (1.0, 1.5, 2.0)},
        [(BilateralRestorer(**LEVEL), bilateral(2.5, 1.5))],
    ),
    "nonlocal_means": (
        {
            "default": NonLocalMeansRestorer(**LEVEL),
            "one pass": NonLocalMeansRestorer(refine=False, **LEVEL),
        },
        {(p, 6, k): nonlocal_means(p, 6, k) for p in (3, 5, 7) for k in (0.6, 0.7, 0.8)}
        | {(5, 11, 0.6): nonlocal_means(5, 11, 0.6)},
        [
            (
                NonLocalMeansRestorer(patch_size=p, search_radius=r, refine=t, **LEVEL),
                nonlocal_means(p, r, 0.7),
            )
            for p, r in ((5, 6), (7, 11))
            for t in (True, False)
        ],
    ),
    "wavelet": (
        {
            "default": WaveletRestorer(**LEVEL),
            "db2": WaveletRestorer(wavelet="db2", **LEVEL),
            "bayes": WaveletRestorer(shrinkage="bayes", strength=1.0, **LEVEL),
            "1 shift": WaveletRestorer(shifts=1, **LEVEL),
            "1 shift, db2": WaveletRestorer(shifts=1, wavelet="db2", **LEVEL),
        },
        {(w, s): wavelet(w, s) for w in ("db1", "db2", "sym4") for s in (0, 3)},
        [
            (WaveletRestorer(shifts=1, **LEVEL), wavelet("db1", 0)),
            (WaveletRestorer(shifts=1, wavelet="db2", **LEVEL), wavelet("db2", 0)),
            (WaveletRestorer(**LEVEL), wavelet("db1", 0)),
            (WaveletRestorer(**LEVEL), wavelet("db1", 7)),
            (
                WaveletRestorer(shrinkage="bayes", strength=1.0, **LEVEL),
                wavelet("db1", 0),
            ),
            (WaveletRestorer(wavelet="db2", **LEVEL), wavelet("db2", 0)),
            (WaveletRestorer(wavelet="db4", **LEVEL), wavelet("sym4", 0)),
        ],
    ),
}


def seconds(call, repeats=3):
    """Shortest of a few runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def quality(restore, clean, noisy):
    """Mean PSNR of rounded answers, and mean seconds."""
    start = time.perf_counter()
    restored = [np.clip(np.rint(restore(x)), 0, 255) for x in noisy]
    spent = (time.perf_counter() - start) / len(clean)
    return psnr(clean, [r.astype(float) for r in restored], data_range=255), spent


def main():
    folder, *names = sys.argv[1:]
    files = sorted(Path(folder).glob("*.png"))
    clean = [np.asarray(Image.open(f).convert("L"), dtype=np.float32) for f in files]
    noisy = [
        c + np.random.default_rng(i).normal(0, SIGMA, c.shape).astype(np.float32)
        for i, c in enumerate(clean)
    ]
    largest = max(noisy, key=np.size)[:512, :512]
    colour = np.stack([largest, largest[::-1], largest[:, ::-1]], axis=-1)
    for name in names or CASES:
        ours, theirs, pairs = CASES[name]
        if name == "wavelet" and importlib.util.find_spec("pywt") is None:
            print("PyWavelets is missing: no peer of the wavelets")
            theirs, pairs = {}, [(r, None) for r, _ in pairs]
        print(f"{name}: PSNR (dB) at {SIGMA:g}, seconds per image")
        for label, restorer in ours.items():
            fitted = restorer.fit(noisy[:1])
            result = quality(lambda x, r=fitted: r.predict(x[None])[0], clean, noisy)
            print("  ours    {:20} {:.3f}  {:.3f}".format(str(label), *result))
        for label, call in theirs.items():
            result = quality(lambda x, f=call: f(x, None), clean, noisy)
            print("  skimage {:20} {:.3f}  {:.3f}".format(str(label), *result))
        for kind, image, axis in (("grey", largest, None), ("colour", colour, -1)):
            for restorer, call in pairs:
                fitted = restorer.fit(image[None])
                mine = seconds(lambda: fitted.predict(image[None]))  # noqa: B023
                line = f"  {kind:7} ours {1e3 * mine:7.1f} ms"
                if call is not None:
                    peer = seconds(lambda: call(image, axis), 2)  # noqa: B023
                    line += f"  peer {1e3 * peer:7.1f} ms  peer/ours {peer / mine:.2f}"
                print(line, {**restorer.get_params()}.get("patch_size", ""))


if __name__ == "__main__":
    main()
