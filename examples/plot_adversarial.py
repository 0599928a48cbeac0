"""
Perception against distortion
=============================

Where noise hid a texture, the least squared error is that of the mean of all textures
that may have been: something smooth that looks like none of them. A discriminator in
the training asks for a texture instead, at the price of a larger error. One weight of
``AdversarialRestorer`` trades one for the other; with 0 it is plain regression.
"""

import matplotlib.pyplot as plt
import numpy as np

from skdeconv import AdversarialRestorer, Degradation
from skdeconv.datasets import load_photographs
from skdeconv.degradations import GaussianNoise
from skdeconv.metrics import psnr

# %%
# Gravel and grass, from the left to train on and from the right to judge by, with noise
# of a fifth of the range.
photographs = load_photographs("train")
textures = [photographs.images[photographs.names.index(n)] for n in ("gravel", "grass")]
train = [texture[:, :352].astype(np.float32) for texture in textures]
truth = np.stack([texture[100:356, 352:480] for texture in textures]).astype("f4")
degrade = Degradation([GaussianNoise(50)], random_state=0)
noisy, truth = degrade.pair(truth)


# %%
# Distortion is told by the PSNR. Texture is told without comparing pixels: how far the
# power spectrum is from that of clean texture, in decibels, on average over rings of
# equal frequency. It does not see whether the texture is the right one, or whether it
# looks natural in other ways.
def spectrum(images):
    """Mean power in 20 rings of frequency, in decibels."""
    power = np.abs(np.fft.rfft2(images - images.mean(axis=(1, 2), keepdims=True))) ** 2
    rows = np.fft.fftfreq(images.shape[1])[:, None]
    columns = np.fft.rfftfreq(images.shape[2])
    ring = np.minimum(40 * np.hypot(rows, columns), 19).astype(int)
    return np.array(
        [[10 * np.log10(p[ring == r].mean()) for r in range(20)] for p in power]
    )


def texture_distance(images):
    """Mean difference of the spectra from those of the clean images, in decibels."""
    return np.abs(spectrum(images) - spectrum(truth)).mean()


# %%
# The same network, seeds and patches for every weight.
restored = {}
for weight in (0, 3e-4, 1e-3, 3e-3):
    restorer = AdversarialRestorer(
        adversarial_weight=weight,
        degradation=degrade,
        module__width=16,
        module__n_blocks=1,
        discriminator_width=16,
        max_epochs=1,
        patches_per_epoch=8 * 250,
        batch_size=8,
        patch_size=48,
        lr=4e-3,
        max_grad_norm=0.1,
        validation_fraction=0,
        data_range=255,
        random_state=0,
    )
    restored[weight] = restorer.fit(train).predict(noisy)
    print(
        f"weight {weight:<6g} {psnr(truth, restored[weight], data_range=255):.2f} dB, "
        f"texture {texture_distance(restored[weight]):.2f} dB from clean"
    )

# %%
# The larger the weight, the less PSNR and the more texture.
shown = {
    "noisy": noisy,
    "clean": truth,
    "weight 0 (squared error)": restored[0],
    "weight 0.001": restored[1e-3],
    "weight 0.003": restored[3e-3],
}
figure, axes = plt.subplots(2, 6, figsize=(14, 5), layout="constrained")
for column, (name, images) in zip(axes.T, shown.items(), strict=False):
    for axis, image in zip(column, images, strict=True):
        axis.imshow(image[:96, :96], cmap="gray", vmin=0, vmax=255)
        axis.set_axis_off()
    column[0].set_title(name, fontsize=10)
plane, rings = axes[:, 5]
for weight, images in restored.items():
    point = psnr(truth, images, data_range=255), texture_distance(images)
    plane.plot(*point, "o")
    plane.annotate(f"{weight:g}  ", point, ha="right", va="center")
plane.set_xlabel("PSNR (dB)")
plane.set_ylabel("texture distance (dB)")
plane.margins(0.3)
for weight in (0, 3e-3):
    rings.plot(spectrum(restored[weight])[0], label=f"weight {weight:g}")
rings.plot(spectrum(truth)[0], "k--", label="clean")
rings.set_xlabel("frequency")
rings.set_ylabel("power (dB)")
rings.set_xticks([])
rings.legend(fontsize=8)
plt.show()
