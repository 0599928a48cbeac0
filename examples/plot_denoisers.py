"""
Denoisers side by side
======================

Eight ways to remove the same noise from one photograph. All estimate its level by
themselves, except for the median, which does not need it, and total variation, which
cross-validates its strength instead.
"""

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np

from skdeconv import (
    BilateralRestorer,
    BlockMatchingRestorer,
    MedianRestorer,
    NonLocalMeansRestorer,
    SparseCodingRestorer,
    TotalVariationRestorer,
    WaveletRestorer,
    WienerRestorer,
)
from skdeconv.datasets import load_photographs
from skdeconv.metrics import psnr

# %%
# A part of a photograph, and the same with white noise of a tenth of the range.
photographs = load_photographs("test")
clean = photographs.images[photographs.names.index("astronaut")][None, :192, 90:282]
noisy = clean + np.random.default_rng(0).normal(0, 25, clean.shape)

# %%
# Filters that average a neighbourhood come first, those that look for structure last.
restorers = {
    "median": MedianRestorer(data_range=255),
    "Wiener": WienerRestorer(data_range=255),
    "bilateral": BilateralRestorer(data_range=255),
    "total variation": TotalVariationRestorer(data_range=255),
    "wavelets": WaveletRestorer(data_range=255),
    "non-local means": NonLocalMeansRestorer(data_range=255),
    "sparse coding": SparseCodingRestorer(data_range=255, random_state=0),
    "block matching": BlockMatchingRestorer(data_range=255),
}
shown = {"noisy": noisy, "clean": clean}
print(f"{'noisy':16} {psnr(clean, noisy, data_range=255):.2f} dB")
for name, restorer in restorers.items():
    start = perf_counter()
    shown[name] = restorer.fit(noisy).predict(noisy)
    seconds, score = perf_counter() - start, psnr(clean, shown[name], data_range=255)
    print(f"{name:16} {score:.2f} dB {seconds:6.2f} s")

# %%
# Smooth skin shows what is left of the noise, cloth and hair what was lost with it.
figure, axes = plt.subplots(2, 5, figsize=(12, 5.4), layout="constrained")
for axis, (name, images) in zip(axes.T.flat, shown.items(), strict=True):
    axis.imshow(images[0], cmap="gray", vmin=0, vmax=255)
    score = psnr(clean, images, data_range=255)
    axis.set_title(name if name == "clean" else f"{name}, {score:.1f} dB", fontsize=10)
    axis.set_axis_off()
plt.show()
