"""Training criteria."""

import numpy as np
import pytest
import torch
from scipy.signal import correlate
from skimage.metrics import structural_similarity

from skdeconv import DeconvRestorer
from skdeconv.datasets import make_dead_leaves
from skdeconv.metrics import psnr
from skdeconv.neural import FrequencyLoss, MixedLoss, PSNRLoss, SSIMLoss
from skdeconv.neural._losses import CRITERIA


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("shape", [(40,), (20, 13), (11, 12, 13)])
def test_ssim_is_that_of_scikit_image(shape):
    x, y = draw(2, 2, *shape), draw(2, 2, *shape, seed=1)
    expected = np.mean(
        [
            structural_similarity(
                a.movedim(0, -1).numpy(),
                b.movedim(0, -1).numpy(),
                data_range=1,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                channel_axis=-1,
            )
            for a, b in zip(x, y, strict=True)
        ]
    )
    assert float(SSIMLoss()(x, y)) == pytest.approx(1 - expected, abs=1e-9)


def test_the_window_shrinks_along_a_short_axis():
    x, y = draw(8, 20), draw(8, 20, seed=1)
    rows, columns = (np.exp(-0.5 * (np.arange(-r, r + 1) / 1.5) ** 2) for r in (3, 5))
    kernel = np.outer(rows, columns)

    def mean(a):
        return correlate(a, kernel / kernel.sum(), mode="valid")

    a, b = x.numpy(), y.numpy()
    p, q = mean(a), mean(b)
    ratios = (2 * p * q + 1e-4) / (p**2 + q**2 + 1e-4)
    ratios *= (2 * (mean(a * b) - p * q) + 9e-4) / (
        mean(a * a) - p**2 + mean(b * b) - q**2 + 9e-4
    )
    loss = SSIMLoss()(x[None, None], y[None, None])
    assert float(loss) == pytest.approx(1 - ratios.mean(), abs=1e-9)


def test_frequency_is_that_of_numpy():
    x, y = draw(2, 3, 8, 9), draw(2, 3, 8, 9, seed=1)
    spectrum = np.fft.rfftn((x - y).numpy(), axes=(2, 3), norm="ortho")
    expected = (np.abs(spectrum.real) + np.abs(spectrum.imag)).mean() / 2
    assert float(FrequencyLoss()(x, y)) == pytest.approx(expected)


def test_frequency_does_not_depend_on_the_size():
    small, large = (draw(1, 1, n, n) - 0.5 for n in (16, 128))
    zero = [torch.zeros_like(noise) for noise in (small, large)]
    assert float(FrequencyLoss()(small, zero[0])) == pytest.approx(
        float(FrequencyLoss()(large, zero[1])), rel=0.1
    )


def test_psnr_is_lost_decibels():
    x, y = draw(3, 1, 8, 8), draw(3, 1, 8, 8, seed=1)
    expected = [
        psnr(a, b, data_range=1) for a, b in zip(x.numpy(), y.numpy(), strict=True)
    ]
    loss = PSNRLoss(epsilon=1e-9)(x, y)
    assert float(loss) == pytest.approx(90 - np.mean(expected), abs=1e-6)


@pytest.mark.parametrize("name", CRITERIA)
@pytest.mark.parametrize("shape", [(5,), (4, 5), (3, 1, 4)])
def test_gradients(name, shape):
    x, y = draw(1, 2, *shape).requires_grad_(), draw(1, 2, *shape, seed=1)
    assert torch.autograd.gradcheck(CRITERIA[name](), (x, y))


@pytest.mark.parametrize("name", CRITERIA)
def test_no_error_no_loss_and_a_finite_gradient(name):
    x = draw(1, 1, 12, 12).float().requires_grad_()
    loss = CRITERIA[name]()(x, x.detach())
    loss.backward()
    assert abs(float(loss.detach())) < (2e-3 if name == "charbonnier" else 1e-6)
    assert x.grad.isfinite().all()
    assert x.grad.abs().max() < 1e-3


@pytest.mark.parametrize("name", CRITERIA)
def test_training_reduces_the_error(name):
    clean = make_dead_leaves(4, shape=(24, 24), random_state=0)
    noisy = clean + np.random.default_rng(0).normal(0, 0.2, clean.shape)
    restorer = DeconvRestorer(
        criterion=name,
        module__width=8,
        max_epochs=6,
        patches_per_epoch=64,
        batch_size=4,
        patch_size=16,
        lr=5e-3,
        precision="float32",
        random_state=0,
    )
    restorer.fit(noisy, clean)
    losses = restorer.history_[:, "train_loss"]
    assert losses[-1] < losses[0]
    assert restorer.score(noisy, clean) > psnr(clean, noisy, data_range=1) + 1


def test_a_mix_is_the_sum_of_its_parts():
    x, y = draw(2, 1, 12, 12), draw(2, 1, 12, 12, seed=1)
    weights = {"l1": 0.5, "ssim": 2, "frequency": 0}
    expected = 0.5 * CRITERIA["l1"]()(x, y) + 2 * SSIMLoss()(x, y)
    assert torch.isclose(MixedLoss(weights)(x, y), expected)


@pytest.mark.parametrize(
    "weights",
    [{}, {"l2": 1.0}, {"mixed": 1.0}, {"l1": -1}, {"l1": float("nan")}, {"l1": "a"}, 3],
)
def test_bad_weights(weights):
    with pytest.raises(ValueError, match="weights"):
        MixedLoss(weights)


def test_weights_are_passed_on():
    X = np.zeros((2, 8, 8), dtype="f4")
    restorer = DeconvRestorer("conv_transpose", criterion="mixed", max_epochs=1)
    restorer.set_params(criterion__weights={"mse": 3.0}).fit(X, X)
    assert restorer.net_.criterion_.weights == {"mse": 3.0}
    with pytest.raises(ValueError, match="weights"):
        restorer.set_params(criterion__weights={"l3": 3.0}).fit(X, X)
