"""AdversarialRestorer: two networks, one weight between them."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV, cross_val_score
from skorch.callbacks import Callback

from skdeconv import AdversarialRestorer, DeconvRestorer, Degradation
from skdeconv.datasets import load_photographs
from skdeconv.degradations import GaussianNoise
from skdeconv.metrics import psnr
from skdeconv.networks._patch_discriminator import PatchDiscriminator
from skdeconv.neural._rivalry import LOSSES

GRAVEL = load_photographs().images[4][:, :256].astype("f4") / 255
CLEAN = np.stack([GRAVEL[i : i + 64, j : j + 64] for i in (0, 64) for j in (0, 64)])
TEST = np.stack([GRAVEL[i : i + 64, 160:224] for i in (0, 150, 300)])
RNG = np.random.default_rng(0)
NOISY, TEST_NOISY = (
    x + RNG.normal(0, 0.2, x.shape).astype("f4") for x in (CLEAN, TEST)
)
SHARED = {
    "module__width": 8,
    "module__n_blocks": 1,
    "patches_per_epoch": 16,
    "batch_size": 4,
    "patch_size": 24,
    "max_epochs": 2,
    "random_state": 0,
    "precision": "float32",
}


def small(**parameters):
    defaults = {"discriminator_width": 4, "warmup": 0.0, "adversarial_weight": 0.01}
    return AdversarialRestorer(**SHARED | defaults | parameters)


def weights(restorer):
    return torch.cat([p.detach().flatten() for p in restorer.net_.module_.parameters()])


def flat(state):
    return torch.cat([v.flatten() for v in state["discriminator"].values()])


@pytest.fixture(scope="module")
def rivals():
    """Restorers of one training each, by their weight; do not refit them."""
    options = {"patches_per_epoch": 400, "max_epochs": 2, "lr": 4e-3, "patch_size": 24}
    options |= {"degradation": Degradation([GaussianNoise(0.2)]), "warmup": 0.2}
    options |= {"module__width": 12, "discriminator_width": 6, "max_grad_norm": 0.1}
    return {
        weight: small(adversarial_weight=weight, **options).fit(CLEAN)
        for weight in (0.0, 0.03)
    }


def spectrum(X):
    """Mean power of the finer half of the frequencies, in decibels."""
    power = np.abs(np.fft.fft2(X)) ** 2
    rows, columns = np.abs(np.fft.fftfreq(64))[:, None], np.abs(np.fft.fftfreq(64))
    return 10 * np.log10(power[:, np.hypot(rows, columns) > 0.25].mean())


def test_the_weight_trades_distortion_for_texture(rivals):
    regression, adversarial = (r.predict(TEST_NOISY) for r in rivals.values())
    truth = spectrum(TEST)
    assert spectrum(regression) < truth - 1
    assert abs(spectrum(adversarial) - truth) < abs(spectrum(regression) - truth) / 2
    lost = psnr(TEST, regression, data_range=1) - psnr(TEST, adversarial, data_range=1)
    assert 0 < lost < 3
    assert psnr(TEST, adversarial, data_range=1) > psnr(TEST, TEST_NOISY, data_range=1)


def test_history(rivals):
    regression, adversarial = (r.history_ for r in rivals.values())
    assert "discriminator_loss" not in regression[-1]
    row = adversarial[-1]
    total = row["regression_loss"] + 0.03 * row["adversarial_loss"]
    assert row["train_loss"] == pytest.approx(total, rel=1e-3)
    assert 0 < row["discriminator_loss"] < 2


@pytest.mark.parametrize("criterion", ["mse", "l1"])
def test_without_weight_it_is_a_regression(criterion):
    plain = DeconvRestorer(criterion=criterion, **SHARED).fit(NOISY, CLEAN)
    other = small(criterion=criterion, adversarial_weight=0).fit(NOISY, CLEAN)
    assert torch.equal(weights(plain), weights(other))
    assert not other.net_.objective.state_dict().keys() - {"warm"}


def test_warmup_is_a_regression():
    class Record(Callback):
        def on_batch_end(self, net, training=False, **kwargs):
            judged.append("adversarial_loss" in net.history[-1, "batches", -1])

    judged = []
    restorer = small(warmup=0.5, callbacks=[("record", Record())]).fit(NOISY, CLEAN)
    assert judged == [False] * 4 + [True] * 4
    restorer.partial_fit(NOISY, CLEAN)
    assert judged[8:] == [True] * 4


@pytest.mark.parametrize("kind", LOSSES)
def test_losses_know_which_side_they_are_on(kind):
    teach, fool = LOSSES[kind]
    high, low = torch.full((3,), 2.0), torch.full((3,), -2.0)
    assert teach(high, low) < teach(low, low) < teach(low, high)
    assert fool(high, high) < fool(high, low)
    assert fool(high, torch.zeros(3)) > fool(high, torch.ones(3))
    trained = small(adversarial_loss=kind).fit(NOISY, CLEAN)
    assert trained.predict(NOISY).shape == NOISY.shape


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 3, 20])
def test_patches_are_judged(ndim, size):
    judge = PatchDiscriminator(channels=2, ndim=ndim, width=4)
    assert judge(torch.rand(3, 2, *[size] * ndim)).shape == (
        3,
        1,
        *[-(-size // 8)] * ndim,
    )


def test_singular_values_are_one():
    torch.manual_seed(0)
    judge = PatchDiscriminator(channels=1, width=8)
    for _ in range(50):
        judge(torch.rand(1, 1, 16, 16))
    layers = [layer for layer in judge.layers if hasattr(layer, "weight")]
    norms = [torch.linalg.matrix_norm(x.weight.flatten(1), 2) for x in layers]
    assert torch.allclose(torch.stack(norms), torch.ones(5), atol=0.02)


def test_same_seed_same_networks():
    state = torch.random.get_rng_state()
    first, second, other = (
        small(random_state=seed).fit(NOISY, CLEAN) for seed in (0, 0, 1)
    )
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(first), weights(other))
    states = [r.net_.objective.state_dict() for r in (first, second)]
    assert torch.equal(*map(flat, states))


def test_training_goes_on_with_the_discriminator():
    options = {"lr_schedule": "constant", "validation_fraction": 0}
    straight = small(**options).fit(NOISY, CLEAN)
    steps = small(**options).partial_fit(NOISY, CLEAN)
    kept = pickle.loads(pickle.dumps(steps))
    states = [r.net_.objective.state_dict() for r in (steps, kept)]
    assert torch.equal(*map(flat, states))
    for resumed in (steps, kept):
        resumed.partial_fit(NOISY, CLEAN)
        assert torch.equal(weights(straight), weights(resumed))
    warm = small(warm_start=True, adversarial_weight=0).fit(NOISY, CLEAN)
    warm.set_params(adversarial_weight=0.1).fit(NOISY, CLEAN)
    assert "discriminator_loss" in warm.history_[-1]
    with pytest.raises(ValueError, match=r"discriminator_width'\] changed"):
        warm.set_params(discriminator_width=8).fit(NOISY, CLEAN)


def test_saved_without_the_discriminator(tmp_path):
    restorer = small(warmup=0.25).fit(NOISY, CLEAN)
    loaded = AdversarialRestorer.load(restorer.save(tmp_path / "model.safetensors"))
    assert np.array_equal(loaded.predict(NOISY), restorer.predict(NOISY))
    assert loaded.history_[-1, "adversarial_loss"] == pytest.approx(
        restorer.history_[-1, "adversarial_loss"]
    )
    assert "discriminator_loss" in loaded.partial_fit(NOISY, CLEAN).history_[-1]


class Killed(Exception):
    pass


class Kill(Callback):
    def on_batch_end(self, net, training=False, **kwargs):
        if len(net.history) == 3:
            raise Killed


def test_a_checkpoint_resumes_both_networks(tmp_path):
    options = {"max_epochs": 4, "warmup": 0.3}
    straight = small(**options).fit(NOISY, CLEAN)
    options["checkpoint"] = tmp_path / "training.pt"
    with pytest.raises(Killed):
        small(callbacks=[("kill", Kill())], **options).fit(NOISY, CLEAN)
    resumed = small(**options).fit(NOISY, CLEAN)
    assert torch.equal(weights(straight), weights(resumed))
    states = [r.net_.objective.state_dict() for r in (straight, resumed)]
    assert torch.equal(*map(flat, states))


def test_search_and_processes():
    grid = {"adversarial_weight": [0, 0.01], "adversarial_loss": list(LOSSES)}
    GridSearchCV(small(max_epochs=1), grid, cv=2).fit(NOISY, CLEAN)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        one = cross_val_score(small(), NOISY, CLEAN, cv=2)
        two = cross_val_score(small(), NOISY, CLEAN, cv=2, n_jobs=2)
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(one, two)


@pytest.mark.parametrize("dtype", ["f4", "f8", "u2"])
@pytest.mark.parametrize("channels", [1, 5])
def test_kinds_of_images(dtype, channels):
    X = RNG.random((1, 9, 7, channels))
    X = (65535 * X).astype(dtype) if dtype == "u2" else X.astype(dtype)
    restorer = small(batch_size=64).fit(X, X)
    assert restorer.predict(X).shape == X.shape
    assert restorer.data_range_ == (65535 if dtype == "u2" else 1)


def test_low_precision():
    restorer = small(precision="bfloat16").fit(NOISY, CLEAN)
    assert np.isfinite(restorer.predict(NOISY)).all()
    state = restorer.net_.objective.state_dict()["discriminator"]
    assert all(value.dtype == torch.float32 for value in state.values())


def test_finer_pixels_and_masks():
    coarse = CLEAN[:, ::2, ::2]
    assert small(upscale=2).fit(coarse, CLEAN).predict(coarse).shape == CLEAN.shape
    mask = RNG.random(CLEAN.shape) > 0.2
    restorer = small().fit(NOISY, CLEAN, mask=mask)
    assert restorer.predict(NOISY, mask=mask).shape == CLEAN.shape


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"adversarial_loss": "wasserstein"}, "'adversarial_loss' parameter"),
        ({"adversarial_weight": -1}, "'adversarial_weight' parameter"),
        ({"max_epochs": 0}, "'max_epochs' parameter"),
        ({"module": "resnet"}, "'module' parameter"),
        ({"warmup": 1}, "'warmup' parameter"),
        ({"discriminator_width": 0}, "'discriminator_width' parameter"),
        (
            {"lr": 1e30, "optimizer": "sgd"},
            "diverged.*lower lr .*or adversarial_weight",
        ),
        ({"discriminator_lr": 1e30}, "diverged.*discriminator_lr"),
    ],
)
def test_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        small(**parameters).fit(NOISY, CLEAN)
