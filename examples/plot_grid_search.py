"""
Tuning restorers with GridSearchCV
==================================

Every restorer has scikit-learn's parameters, so that the searches of scikit-learn tune
them: the width and learning rate of a network, and what classical restorers would
choose by themselves, to see how much it matters.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV

from skdeconv import (
    DeconvRestorer,
    Degradation,
    RichardsonLucyRestorer,
    WienerRestorer,
)
from skdeconv.datasets import make_dead_leaves
from skdeconv.degradations import GaussianNoise
from skdeconv.metrics import psnr_scorer, ssim_scorer
from skdeconv.operators import Blur, gaussian_psf

psf = gaussian_psf(1.5)
leaves = make_dead_leaves(12, shape=(96, 96), random_state=0)
degrade = Degradation([Blur(psf), GaussianNoise(0.02)], random_state=0)
observed, truth = degrade.pair(leaves)

# %%
# Classical restorers. Several scores may be taken at once.
searches = {
    "alpha": GridSearchCV(
        WienerRestorer(psf),
        {"alpha": np.logspace(-4, 0, 9)},
        scoring={"psnr": psnr_scorer, "ssim": ssim_scorer},
        refit="psnr",
        cv=3,
    ),
    "max_iter": GridSearchCV(
        RichardsonLucyRestorer(psf),
        {"max_iter": [1, 2, 4, 8, 16, 32]},
        scoring={"psnr": psnr_scorer, "ssim": ssim_scorer},
        refit="psnr",
        cv=3,
    ),
}
figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for axis, (name, search) in zip(axes, searches.items(), strict=True):
    search.fit(observed, truth)
    print(search.best_params_, f"{search.best_score_:.2f} dB")
    values = search.param_grid[name]
    axis.semilogx(values, search.cv_results_["mean_test_psnr"], "o-")
    axis.set(title=type(search.estimator).__name__, xlabel=name, ylabel="PSNR, dB")
plt.show()

# %%
# A network; ``module__width`` reaches the torch module.
search = GridSearchCV(
    DeconvRestorer(max_epochs=2, patches_per_epoch=64, patch_size=48, random_state=0),
    {"module__width": [8, 16], "lr": [1e-3, 3e-3]},
    cv=2,
).fit(observed, truth)
print(search.best_params_, f"{search.best_score_:.2f} dB")
