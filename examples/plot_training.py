"""
Training a network, and keeping it
==================================

How a training went, what came of it, and how to use it elsewhere.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

from skdeconv import DeconvRestorer, Degradation
from skdeconv.datasets import load_photographs
from skdeconv.degradations import GaussianNoise
from skdeconv.inspection import RestorationDisplay, TrainingDisplay

# %%
# A small network learns to remove noise from photographs. Patches of them are degraded
# afresh each time; two of the photographs are held out to watch it.
train = load_photographs("train").images
test = load_photographs("test").images
noise = Degradation([GaussianNoise(25)], random_state=0)
network = DeconvRestorer(
    degradation=noise,
    criterion="mixed",
    criterion__weights={"l1": 1.0, "frequency": 0.1},
    module__width=16,
    module__n_blocks=1,
    lr=4e-3,
    max_epochs=12,
    patches_per_epoch=256,
    validation_fraction=0.2,
    random_state=0,
)
network.fit(train)

# %%
# The loss has fallen, and the PSNR on the held-out photographs has come to rest with
# the learning rate.
TrainingDisplay.from_estimator(network)
plt.show()

# %%
# A photograph that it never saw: the noisy one, the restored one, the truth and what
# is still wrong, at edges and wherever a training of seconds leaves noise.
observed = noise.fit_transform(test)
RestorationDisplay.from_estimator(network, observed, test, index=1)
plt.show()

# %%
# The model is one file of weights and a readable record, without a pickle. The loaded
# one answers alike.
path = network.save(Path(tempfile.mkdtemp()) / "denoiser.safetensors")
again = DeconvRestorer.load(path)
print(f"{path.stat().st_size / 1e6:.2f} MB")
print(f"{network.score(observed, test):.4f} dB")
print(f"{again.score(observed, test):.4f} dB")
