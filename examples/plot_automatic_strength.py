"""
Strengths that choose themselves
================================

Every restorer has to be told how much to smooth. With ``alpha="auto"``, the default, it
finds out: by the truth where there is one, by the noise in the data where there is not.
"""

import matplotlib.pyplot as plt

from skdeconv import Degradation, WienerRestorer
from skdeconv.datasets import load_photographs
from skdeconv.degradations import GaussianNoise
from skdeconv.inspection import StrengthDisplay
from skdeconv.metrics import psnr
from skdeconv.operators import Blur, gaussian_psf

psf = gaussian_psf(1.6)
degrade = Degradation([Blur(psf), GaussianNoise(2.55)], random_state=0)
camera = load_photographs("test").images[1][None, 50:260, 120:330]
observed, truth = degrade.pair(camera)

# %%
# Without the truth, the strength is chosen for each image by itself: for the Wiener
# filter by Stein's estimate of the error, near the strength that blur, noise and
# spectrum suggest. ``alpha_`` holds the choices, ``path_`` what was looked at.
blind = WienerRestorer(psf, data_range=255).fit(observed)
print(blind.criterion_, blind.alpha_)

# %%
# With pairs, it is the strength of the best mean PSNR, and one number for all images to
# come.
paired = WienerRestorer(psf, data_range=255).fit(observed, truth)
print(paired.criterion_, paired.alpha_)

# %%
# The least expected error lies where the PSNR is best, which the left one never saw.
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
StrengthDisplay.from_estimator(blind, ax=axes[0])
axes[0].set_title("without the truth")
StrengthDisplay.from_estimator(paired, ax=axes[1])
axes[1].set_title("with pairs")
plt.show()

# %%
# What too small a strength does, and too large a one: amplified noise, or an image that
# is smoother than it came.
shown = {"observed": observed}
for title, alpha in {
    "too small": 1e-4,
    "automatic": blind.alpha_[0],
    "too large": 1.0,
}.items():
    restorer = WienerRestorer(psf, alpha=alpha, data_range=255).fit(observed)
    shown[f"{title}: {alpha:.1g}"] = restorer.predict(observed)

figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
for axis, (title, images) in zip(axes, shown.items(), strict=True):
    axis.imshow(images[0], cmap="gray", vmin=0, vmax=255)
    score = psnr(truth, images, data_range=255)
    axis.set_title(f"{title}\n{score:.1f} dB", fontsize=10)
    axis.set_axis_off()
plt.show()
