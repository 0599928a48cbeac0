"""
A network of convolutions and deconvolutions
============================================

The classical recipe of deep restoration, in three lines: two convolutions that see
features, two transposed convolutions ("deconvolutions") that bring them back to full
resolution, trained on pairs of noisy and clean colour images with the mean squared
error and Adam at a constant rate of 1e-3, for 100 epochs.
"""

import matplotlib.pyplot as plt
import numpy as np

from skdeconv import DeconvRestorer
from skdeconv.datasets import load_photographs
from skdeconv.metrics import psnr
from skdeconv.networks import ConvTransposeNet

# %%
# Crops of colour photographs, and the same with noise of a third of the range.
size, noise_std = 32, 80 / 255
rng = np.random.default_rng(0)


def crops(subset, n):
    images = load_photographs(subset, color=True).images
    cut = []
    for _ in range(n):
        image = images[rng.integers(len(images))]
        top, left = (rng.integers(m - size) for m in image.shape[:2])
        cut.append(image[top : top + size, left : left + size] / np.float32(255))
    return np.stack(cut)


clean, clean_test = crops("train", 256), crops("test", 64)
noisy = clean + noise_std * rng.standard_normal(clean.shape, dtype=np.float32)
noisy_test = clean_test + noise_std * rng.standard_normal(
    clean_test.shape, dtype=np.float32
)

# %%
# The network, as it is printed by torch.
print(ConvTransposeNet(in_channels=3, out_channels=3))

# %%
# Training; ``verbose=2`` prints the loss of every epoch.
restorer = DeconvRestorer(
    module="conv_transpose",
    criterion="mse",
    optimizer="adam",
    lr=1e-3,
    lr_schedule="constant",
    max_grad_norm=None,
    max_epochs=100,
    patch_size=size,
    validation_fraction=0,
    random_state=0,
    verbose=2,
).fit(noisy, clean)

# %%
# Recovering images that it has not seen.
restored = restorer.predict(noisy_test)
before = psnr(clean_test, noisy_test, data_range=1)
after = restorer.score(noisy_test, clean_test)
print(f"noisy {before:.2f} dB, restored {after:.2f} dB")

# %%
rows = {"noisy": noisy_test, "restored": restored, "original": clean_test}
figure, axes = plt.subplots(3, 5, figsize=(9, 5.6), layout="constrained")
for row, (name, images) in zip(axes, rows.items(), strict=True):
    for axis, image in zip(row, images, strict=False):
        axis.imshow(np.clip(image, 0, 1))
        axis.set_axis_off()
    row[0].set_title(name, loc="left")
plt.show()
