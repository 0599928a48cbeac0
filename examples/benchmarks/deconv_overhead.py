"""What skorch and the estimator add to a bare PyTorch loop.

Side by side in one run: ``DeconvRestorer.fit`` against a loop of the same network,
optimiser, precision, batches and shortened gradients; ``predict`` against the network
alone. Runs alternate, and the medians are compared.
"""

import statistics
import time

import numpy as np
import torch
from torch import nn

from skdeconv import DeconvRestorer
from skdeconv._images import check_images
from skdeconv.datasets import make_dead_leaves
from skdeconv.networks import UNet
from skdeconv.neural._net import has_bfloat16
from skdeconv.neural._patches import PatchDataset, PatchLoader, TrainingImages

STEPS, BATCH, PATCH, ROUNDS = 40, 16, 64, 5


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(name, ours, bare):
    ours(), bare()
    pairs = [(seconds(ours), seconds(bare)) for _ in range(ROUNDS)]
    ours, bare = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"{name:8} ours {ours:.2f} s  bare {bare:.2f} s  ours/bare {ratio:.3f}")


def main():
    clean = make_dead_leaves(8, random_state=0)
    rng = np.random.default_rng(0)
    noisy = clean + 0.1 * rng.standard_normal(clean.shape, dtype=np.float32)

    def fit():
        DeconvRestorer(
            max_epochs=1,
            patches_per_epoch=STEPS * BATCH,
            batch_size=BATCH,
            patch_size=PATCH,
            validation_fraction=0,
            random_state=0,
        ).fit(noisy, clean)

    def bare_fit():
        images = TrainingImages(
            check_images(noisy, ndim=2), check_images(clean, ndim=2)
        )
        dataset = PatchDataset(
            images,
            range(len(images)),
            patch_size=PATCH,
            n_patches=STEPS * BATCH,
            augment=True,
            rng=np.random.default_rng(0),
        )
        network = UNet(1, 1).to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        loss = nn.MSELoss()
        low = has_bfloat16("cpu")
        for x, y in PatchLoader(dataset, BATCH):
            x = x.contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=low):
                answer = network(x)
            value = loss(answer.float(), y)
            optimizer.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 0.01)
            optimizer.step()

    compare("fit", fit, bare_fit)

    restorer = DeconvRestorer(max_epochs=1, patches_per_epoch=BATCH).fit(noisy, clean)
    network = restorer.net_.module_.eval()
    tensor = torch.from_numpy(noisy)[:, None].to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def bare_predict():
        network(tensor)

    compare("predict", lambda: restorer.predict(noisy), bare_predict)


if __name__ == "__main__":
    main()
