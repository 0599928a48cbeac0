"""
Many restorations of one image
==============================

A noisy image leaves open what it was. ``VariationalRestorer`` draws restorations that
differ where the noise hid something: ``sample`` gives them, ``predict`` their mean and,
if asked, their standard deviation, which tells where the mean is likely to be wrong.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr

from skdeconv import Degradation, VariationalRestorer
from skdeconv.datasets import load_photographs, make_dead_leaves
from skdeconv.degradations import GaussianNoise
from skdeconv.metrics import psnr

# %%
# Synthetic scenes to learn from, photographs to be judged by. The noise is a fifth of
# the range.
degrade = Degradation([GaussianNoise(0.2)], random_state=0)
scenes = make_dead_leaves(12, shape=(192, 192), random_state=0)
photographs = load_photographs("test")
truth = np.stack([image[60:188, 100:228] for image in photographs.images]) / 255
noisy, truth = degrade.pair(truth.astype(np.float32))

# %%
# A small network and a short training, with many small batches.
restorer = VariationalRestorer(
    degradation=degrade,
    module__width=16,
    module__n_blocks=1,
    max_epochs=1,
    patches_per_epoch=4 * 1200,
    batch_size=4,
    patch_size=48,
    lr=4e-3,
    max_grad_norm=0.1,
    n_draws=64,
    validation_fraction=0,
    data_range=1,
    random_state=0,
).fit(scenes)
mean, std = restorer.predict(noisy, return_std=True)
draws = restorer.sample(noisy, 8, random_state=0)

# %%
# The mean is closer to the truth than a draw is. The spread is smaller than the error:
# what the latent variables leave as noise is in none of the draws, so that it ranks
# pixels rather than measures their error.
error = np.abs(mean - truth)
print(f"noisy       {psnr(truth, noisy, data_range=1):.2f} dB")
print(f"one draw    {np.mean([psnr(truth, d, data_range=1) for d in draws]):.2f} dB")
print(f"their mean  {psnr(truth, mean, data_range=1):.2f} dB")
rms = np.sqrt(np.mean(error**2)), np.sqrt(np.mean(std**2))
print(f"root mean square of errors {rms[0]:.3f}, of the spread {rms[1]:.3f}")

# %%
# Does the spread know where errors are? One pixel's error is a single throw of dice, so
# that no spread can say much of it; averaged over a few pixels it can. Least of all it
# knows fur (chelsea): where texture is everywhere, so are errors.
print("rank correlation of spread and error    by pixel    over 5 pixels")
for name, *pair in zip(photographs.names, std, error, strict=True):
    by_pixel = spearmanr(*(a.ravel() for a in pair)).statistic
    smooth = spearmanr(*(gaussian_filter(a, 2).ravel() for a in pair)).statistic
    print(f"{name:40}{by_pixel:8.2f}{smooth:17.2f}")
edges = np.quantile(std, np.linspace(0, 1, 11))
deciles = np.digitize(std, edges[1:-1])
expected = [np.sqrt(np.mean(std[deciles == k] ** 2)) for k in range(10)]
found = [np.sqrt(np.mean(error[deciles == k] ** 2)) for k in range(10)]

# %%
shown = photographs.names.index("camera")
pictures = {
    "noisy": noisy[shown],
    "truth": truth[shown],
    "mean": mean[shown],
    "draw 1": draws[0, shown],
    "draw 2": draws[1, shown],
    "draw 3": draws[2, shown],
}
figure, axes = plt.subplots(2, 4, figsize=(12, 6.2), layout="constrained")
places = [axes[0, 0], axes[0, 1], axes[0, 2], *axes[1, :3]]
for axis, (name, picture) in zip(places, pictures.items(), strict=True):
    axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
    axis.set_title(name)
    axis.set_axis_off()
spread = axes[0, 3].imshow(std[shown], cmap="magma", vmin=0)
axes[0, 3].set_title("spread of the draws")
axes[0, 3].set_axis_off()
figure.colorbar(spread, ax=axes[0, 3], shrink=0.8)
axes[1, 3].plot(expected, found, "o-")
axes[1, 3].set_xlabel("spread, by tenths of the pixels")
axes[1, 3].set_ylabel("error of the mean (rms)")
axes[1, 3].set_title("where it is large, errors are")
plt.show()
