"""
Physics and networks together
=============================

A real photograph that is out of focus, and a simulated volume from a fluorescence
microscope: filters, optimisation, block matching, and two that take turns of the
physics and a network that was trained beforehand.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.data import text

from skdeconv import (
    BlockMatchingRestorer,
    Degradation,
    PlugAndPlayRestorer,
    RichardsonLucyRestorer,
    TotalVariationRestorer,
    UnrolledRestorer,
    WienerRestorer,
)
from skdeconv.datasets import load_photographs
from skdeconv.degradations import GaussianNoise, PoissonNoise
from skdeconv.metrics import psnr
from skdeconv.operators import Blur, gaussian_psf

# %%
# Handwriting. The blur is not known: the PSF is a guess. Nor is the noise, which the
# camera has smoothed: of single pixels it shows a level of 1, but the restorers find
# that it is stronger in coarse ones, nearly 5. Networks take what a wrong PSF amplifies
# for structure, here for stripes at the ends of strokes, unless they are told of more
# noise than that.
photograph = text()[None, :128, 64:224]
psf = gaussian_psf(1.0)
degrade = Degradation([Blur(psf), GaussianNoise(7.0)], random_state=0)
trained = UnrolledRestorer(
    psf,
    noise_std=7.0,
    degradation=degrade,
    batch_size=4,
    patch_size=64,
    validation_fraction=0,
    max_time=12,
    random_state=0,
)
restorers = {
    "Wiener": WienerRestorer(psf),
    "total variation": TotalVariationRestorer(psf),
    "block matching": BlockMatchingRestorer(psf),
    "plug-and-play": PlugAndPlayRestorer(psf, noise_std=7.0),
}
shown = {"photograph": photograph[0]}
for name, restorer in restorers.items():
    shown[name] = restorer.fit(photograph).predict(photograph)[0]
trained.fit(load_photographs("train").images)  # blurs them by itself
shown["unrolled"] = trained.predict(photograph)[0]


def draw(shown, high):
    n_columns = len(shown) // 2
    size = (3.7 * n_columns, 6.4 if n_columns == 3 else 7.6)
    _, axes = plt.subplots(2, n_columns, figsize=size, layout="constrained")
    for axis, (title, image) in zip(axes.flat, shown.items(), strict=True):
        axis.imshow(image, cmap="gray", vmin=0, vmax=high)
        axis.set_title(title)
        axis.set_axis_off()
    plt.show()


draw(shown, 200)

# %%
# A volume: threads of dye, blurred more along the optical axis, in counts of photons.
# The networks know images; they restore the volume slice by slice, while the physics
# is that of the volume. The unrolled one is trained on other threads.
rng = np.random.default_rng(0)


def threads():
    smooth = gaussian_filter(rng.standard_normal((30, 36, 36)), (2, 4, 4))
    return np.exp(-((smooth / smooth.std() / 0.12) ** 2)) + 0.05


psf = gaussian_psf((1.6, 1.2, 1.2))
degrade = Degradation([Blur(psf), PoissonNoise(0.01)], random_state=0)
observed, truth = degrade.pair(threads()[None])
restorers = {
    "Wiener": WienerRestorer(psf),
    "total variation": TotalVariationRestorer(psf),
    "Richardson-Lucy": RichardsonLucyRestorer(psf),
    "block matching": BlockMatchingRestorer(psf),
    "plug-and-play": PlugAndPlayRestorer(psf, max_iter=8),
}
for restorer in restorers.values():
    restorer.fit(observed)
restorers["unrolled"] = UnrolledRestorer(
    psf,
    degradation=degrade,
    data_range=1.0,
    patch_size=20,
    batch_size=1,
    validation_fraction=0,
    max_time=40,
    random_state=0,
).fit(np.stack([threads() for _ in range(4)]))
middle = truth.shape[1] // 2
shown = {"observed": observed[0, middle]}
for name, restorer in restorers.items():
    restored = restorer.predict(observed)
    score = psnr(truth, restored, data_range=1.0)
    print(f"{name:16} {score:.2f} dB")
    shown[f"{name}, {score:.1f} dB"] = restored[0, middle]
shown["truth"] = truth[0, middle]
draw(shown, 1.0)
