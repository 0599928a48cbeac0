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
from skdeconv.operators import Blur, gaussian_psf

# %%
# Handwriting. Neither the blur nor what the camera did to the noise are known: the PSF
# is a guess, and a noise level above that of the flat parts (1) makes up for what is
# wrong with the guess.
photograph = text()[None, :128, 64:224]
psf, noise_std = gaussian_psf(1.0), 4.0
degrade = Degradation([Blur(psf), GaussianNoise(noise_std)], random_state=0)
trained = UnrolledRestorer(
    psf, degradation=degrade, noise_std=noise_std, max_time=12, random_state=0
)
restorers = {
    "Wiener": WienerRestorer(psf),
    "total variation": TotalVariationRestorer(psf, noise_std=noise_std),
    "block matching": BlockMatchingRestorer(psf, noise_std=noise_std),
    "plug-and-play": PlugAndPlayRestorer(psf, noise_std=noise_std),
}
shown = {"photograph": photograph[0]}
for name, restorer in restorers.items():
    shown[name] = restorer.fit(photograph).predict(photograph)[0]
trained.fit(load_photographs("train").images)  # blurs them by itself
shown["unrolled"] = trained.predict(photograph)[0]


def draw(shown, high):
    _, axes = plt.subplots(2, 3, figsize=(11, 6.4), layout="constrained")
    for axis, (title, image) in zip(axes.flat, shown.items(), strict=True):
        axis.imshow(image, cmap="gray", vmin=0, vmax=high)
        axis.set_title(title)
        axis.set_axis_off()
    plt.show()


draw(shown, 200)

# %%
# A volume: threads of dye, blurred more along the optical axis, in counts of photons.
# The networks know images; they restore the volume slice by slice, while the physics
# is that of the volume.
rng = np.random.default_rng(0)
smooth = gaussian_filter(rng.standard_normal((40, 80, 80)), (2, 4, 4))
threads = np.exp(-((smooth / smooth.std() / 0.12) ** 2)) + 0.05
psf = gaussian_psf((2.0, 1.2, 1.2))
degrade = Degradation([Blur(psf), PoissonNoise(0.01)], random_state=0)
observed, truth = degrade.pair(threads[None])
restorers = {
    "Wiener": WienerRestorer(psf),
    "Richardson-Lucy": RichardsonLucyRestorer(psf),
    "plug-and-play": PlugAndPlayRestorer(psf, max_iter=8),
}
middle = truth.shape[1] // 2
shown = {"observed": observed[0, middle]}
for name, restorer in restorers.items():
    score = restorer.fit(observed).score(observed, truth)
    print(f"{name:16} {score:.2f} dB")
    shown[f"{name}, {score:.1f} dB"] = restorer.predict(observed)[0, middle]
shown["truth"] = truth[0, middle]
shown["truth, from the side"] = truth[0, :, truth.shape[2] // 2]
draw(shown, 1.0)
