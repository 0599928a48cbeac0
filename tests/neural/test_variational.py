"""VariationalRestorer: draws, their mean and spread."""

import pickle

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter
from scipy.stats import spearmanr
from sklearn.model_selection import GridSearchCV, cross_val_score
from skorch.callbacks import Callback
from torch import nn

from skdeconv import Degradation, VariationalRestorer
from skdeconv.datasets import make_dead_leaves
from skdeconv.degradations import GaussianNoise
from skdeconv.metrics import psnr
from skdeconv.networks._conditional_vae import ConditionalVAE
from skdeconv.neural._evidence import Evidence

SCENES = make_dead_leaves(9, shape=(64, 64), random_state=0)
# Noise on the right half only: there is nothing to be unsure of on the left.
LEVELS = np.where(np.arange(64) < 32, 0.0, 0.25).astype("f4")
NOISY_SCENES = SCENES + LEVELS * np.random.default_rng(0).standard_normal(SCENES.shape)
CLEAN, TEST, NOISY, TEST_NOISY = (
    SCENES[:6],
    SCENES[6:],
    NOISY_SCENES[:6],
    NOISY_SCENES[6:],
)


def small(**parameters):
    defaults = {
        "module__width": 4,
        "module__n_blocks": 1,
        "module__latent_channels": 3,
        "patches_per_epoch": 16,
        "batch_size": 4,
        "patch_size": 16,
        "max_epochs": 2,
        "n_draws": 8,
        "random_state": 0,
        "precision": "float32",
    }
    return VariationalRestorer(**defaults | parameters)


def weights(restorer):
    return torch.cat([p.detach().flatten() for p in restorer.net_.module_.parameters()])


@pytest.fixture(scope="module")
def trained():
    """One restorer trained well enough to be asked many things; do not refit it."""
    return small(
        module__width=12,
        module__latent_channels=4,
        patches_per_epoch=800,
        max_epochs=2,
        patch_size=32,
        lr=4e-3,
        max_grad_norm=0.1,
        n_draws=32,
    ).fit(NOISY, CLEAN)


def test_it_restores(trained):
    before = psnr(TEST, TEST_NOISY, data_range=1)
    assert trained.score(TEST_NOISY, TEST) > before + 4


def test_draws_differ_and_scatter_about_the_mean(trained):
    draws = trained.sample(TEST_NOISY, 40, random_state=1)
    assert draws.shape == (40, *TEST.shape)
    assert draws.dtype == np.float32
    mean, std = trained.predict(TEST_NOISY, return_std=True)
    assert np.array_equal(mean, trained.predict(TEST_NOISY))
    assert std[:, :, 36:].mean() > 0.02
    assert np.abs(draws.mean(axis=0) - mean).mean() < 0.3 * std.mean()
    assert draws.std(axis=0).mean() == pytest.approx(std.mean(), rel=0.1)
    scores = [psnr(TEST, draw, data_range=1) for draw in draws]
    assert max(scores) < psnr(TEST, mean, data_range=1)


def test_the_spread_tells_where_errors_are(trained):
    mean, std = trained.predict(TEST_NOISY, return_std=True)
    assert std[:, :, 36:].mean() > 3 * std[:, :, :28].mean()
    error = uniform_filter(np.abs(mean - TEST), (0, 5, 5))
    spread = uniform_filter(std, (0, 5, 5))
    assert spearmanr(error.ravel(), spread.ravel()).statistic > 0.5


def test_mean_and_deviation_are_those_of_the_draws(trained):
    x = torch.from_numpy(TEST_NOISY).float()[:, None]
    with torch.inference_mode():
        draws = torch.cat(list(trained._draws((x,), 32, seed=0)))
    mean, std = trained.predict(TEST_NOISY, return_std=True)
    assert np.allclose(draws.mean(dim=0)[:, 0], mean, atol=1e-5)
    assert np.allclose(draws.std(dim=0)[:, 0], std, atol=1e-5)


def test_seeds(trained):
    state = torch.random.get_rng_state()
    first, second, other = (
        trained.sample(TEST_NOISY, random_state=s) for s in (0, 0, 1)
    )
    assert np.array_equal(first, second)
    assert not np.allclose(first, other, atol=1e-3)
    assert not np.array_equal(trained.sample(TEST_NOISY), trained.sample(TEST_NOISY))
    assert torch.equal(state, torch.random.get_rng_state())


def test_an_image_does_not_depend_on_the_others(trained, monkeypatch):
    alone = trained.sample(TEST_NOISY[1:2], 3, random_state=0)
    together = trained.sample(TEST_NOISY, 3, random_state=0)
    assert np.allclose(alone[:, 0], together[:, 1], atol=1e-5)
    mean = trained.predict(TEST_NOISY)
    monkeypatch.setattr("skdeconv.neural._base.PREDICT_PIXELS", 1)
    assert np.allclose(trained.predict(TEST_NOISY), mean, atol=1e-5)


def test_containers(trained):
    X = [TEST_NOISY[0], TEST_NOISY[1][:20]]
    draws = trained.sample(X, 3, random_state=0)
    assert [[image.shape for image in images] for images in draws] == [
        [x.shape for x in X]
    ] * 3
    mean, std = trained.predict(X, return_std=True)
    assert [x.shape for x in mean] == [x.shape for x in std] == [x.shape for x in X]
    assert np.allclose(draws[0][0], trained.sample(X[:1], 3, random_state=0)[0][0])
    clipped = pickle.loads(pickle.dumps(trained)).set_params(clip=True)
    assert (
        0
        <= clipped.sample(TEST_NOISY, 2).min()
        < clipped.sample(X[:1])[0][0].max()
        <= 1
    )
    with pytest.raises(ValueError, match="n must be a positive integer, got 0"):
        trained.sample(X, 0)


def test_saved_and_exported(trained, tmp_path):
    loaded = VariationalRestorer.load(trained.save(tmp_path / "model.safetensors"))
    for X in (TEST_NOISY, TEST_NOISY[:, :21]):
        again = loaded.sample(X, 2, random_state=0)
        assert np.array_equal(again, trained.sample(X, 2, random_state=0))
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(trained.to_onnx(tmp_path / "model.onnx"))
    x = TEST_NOISY[:, None].astype("f4")
    (answer,) = session.run(None, {"degraded": x})
    with torch.no_grad():
        expected = trained.net_.module_(torch.from_numpy(x))
    assert np.allclose(answer, expected, atol=1e-4)


def test_history(trained):
    row = trained.history_[-1]
    bound = np.log(row["squared_error"]) / 2 + row["divergence"]
    assert row["train_loss"] == pytest.approx(bound, abs=0.1)
    assert row["divergence"] > 0.01


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 5, 12])
def test_network(ndim, size):
    network = ConditionalVAE(2, 1, ndim=ndim, width=4, n_blocks=1, latent_channels=3)
    x, y = torch.rand(2, 2, *[size] * ndim), torch.rand(2, 1, *[size] * ndim)
    assert network(x).shape == y.shape
    shape = network.latent_shape(x.shape[2:])
    assert network(x, noise=torch.randn(5, *shape)).shape == (5, *y.shape)
    prediction, divergence = network(x, target=y)
    assert prediction.shape == y.shape
    assert divergence.shape == (2, *shape)
    assert divergence.min() >= 0
    (prediction.square().mean() + divergence.mean()).backward()
    assert all(p.grad is not None for p in network.parameters())


def test_divergence_is_that_of_normal_distributions():
    network = ConditionalVAE(1, 1, width=4)
    x, y = torch.rand(3, 1, 8, 8), torch.rand(3, 1, 8, 8)
    features = network.encoder(x)
    mean, log_variance = network.prior(features[1]).chunk(2, dim=1)
    missed = y - network(x)
    seen = network.recogniser(torch.cat([x, missed], dim=1))[1]
    both = torch.cat([features[1], seen], dim=1)
    shift, change = network.posterior(both).chunk(2, dim=1)
    deviation = (log_variance / 2).exp()
    p = torch.distributions.Normal(mean, deviation)
    q = torch.distributions.Normal(
        mean + shift * deviation, deviation * (change / 2).exp()
    )
    expected = torch.distributions.kl_divergence(q, p)
    assert torch.allclose(network(x, target=y)[1], expected, atol=1e-4)


class Net:
    """As much of a net as the objective asks for."""

    module_ = None

    def __init__(self, divergence, progress=1.0):
        self.divergence, self.progress_, self.history = divergence, progress, self

    def run(self, module, x, target):
        return target + 0.1, self.divergence

    def record_batch(self, name, value):
        pass


def test_the_bound():
    y, divergence = torch.rand(3, 1, 8, 8), torch.full((3, 2, 2, 2), 0.5)
    fidelity = np.log(0.01 + 1e-6) / 2
    loss, _ = Evidence(1.0, 0.0, 0.5)(Net(divergence), y, y)
    assert float(loss) == pytest.approx(fidelity + 4 / 64, abs=1e-5)
    early, _ = Evidence(1.0, 0.0, 0.5)(Net(divergence, 0.25), y, y)
    assert float(early) == pytest.approx(fidelity + 2 / 64, abs=1e-5)
    spared, _ = Evidence(2.0, 0.75, 0.0)(Net(divergence), y, y)
    assert float(spared) == pytest.approx(fidelity + 2 * 6 / 64, abs=1e-5)


def test_beta_holds_the_draws_together():
    spreads = [
        small(beta=beta, free_bits=0, patches_per_epoch=120, lr=4e-3)
        .fit(NOISY, CLEAN)
        .predict(TEST_NOISY, return_std=True)[1]
        .mean()
        for beta in (0.1, 30)
    ]
    assert spreads[0] > 1.3 * spreads[1]


class Killed(Exception):
    pass


class Kill(Callback):
    def on_batch_end(self, net, training=False, **kwargs):
        if len(net.history) == 3:
            raise Killed


def test_training_goes_on(tmp_path):
    first, second = (small().fit(NOISY, CLEAN) for _ in range(2))
    assert torch.equal(weights(first), weights(second))
    options = {"max_epochs": 4, "checkpoint": tmp_path / "training.pt"}
    with pytest.raises(Killed):
        small(callbacks=[("kill", Kill())], **options).fit(NOISY, CLEAN)
    resumed = small(**options).fit(NOISY, CLEAN)
    assert torch.equal(weights(small(max_epochs=4).fit(NOISY, CLEAN)), weights(resumed))
    assert resumed.partial_fit(NOISY, CLEAN).n_iter_ == 5
    warm = small(warm_start=True, beta=3).fit(NOISY, CLEAN).set_params(beta=0.5)
    assert warm.fit(NOISY, CLEAN).net_.objective.beta == 0.5


def test_search_and_processes():
    GridSearchCV(
        small(max_epochs=1), {"beta": [0.1, 1], "module__latent_channels": [2]}, cv=2
    ).fit(NOISY, CLEAN)
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
    X = np.random.default_rng(0).random((1, 9, 7, channels))
    X = (65535 * X).astype(dtype) if dtype == "u2" else X.astype(dtype)
    restorer = small(batch_size=64).fit(X, X)
    mean, std = restorer.predict(X, return_std=True)
    assert mean.shape == std.shape == X.shape
    assert restorer.sample(X, 2).shape == (2, *X.shape)
    assert restorer.data_range_ == (65535 if dtype == "u2" else 1)


def test_divergences_keep_their_digits_in_low_precision():
    torch.manual_seed(0)
    network = ConditionalVAE(1, 1, width=8)
    with torch.no_grad():
        for head in (network.posterior.weight, network.posterior.bias):
            head.mul_(0.01)
    x, y = torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        low = network(x, target=y)[1]
    assert low.dtype == torch.float32
    assert torch.allclose(low.sum(), network(x, target=y)[1].sum(), rtol=0.05)
    restorer = small(precision="bfloat16").fit(NOISY, CLEAN)
    assert np.isfinite(restorer.sample(NOISY, 2)).all()


def test_finer_pixels_masks_and_degradations():
    coarse = CLEAN[:, ::2, ::2]
    fine = small(upscale=2).fit(coarse, CLEAN)
    assert fine.sample(coarse, 2).shape == (2, *CLEAN.shape)
    mask = np.random.default_rng(0).random(CLEAN.shape) > 0.2
    restorer = small().fit(NOISY, CLEAN, mask=mask)
    assert restorer.sample(NOISY, 2, mask=mask).shape == (2, *CLEAN.shape)
    assert restorer.predict(NOISY, mask=mask, return_std=True)[1].shape == CLEAN.shape
    made = small(degradation=Degradation([GaussianNoise((0.0, 0.2))])).fit(CLEAN)
    assert made.predict(NOISY).shape == CLEAN.shape


class Plain(nn.Conv2d):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels, 3, padding=1)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"module": "unet"}, "'module' parameter"),
        ({"beta": -1}, "'beta' parameter"),
        ({"max_epochs": 0}, "'max_epochs' parameter"),
        ({"n_draws": 1}, "'n_draws' parameter"),
        ({"free_bits": -0.1}, "'free_bits' parameter"),
        ({"optimizer": "lion"}, "'optimizer' parameter"),
        ({"lr": 1e30, "optimizer": "sgd"}, "diverged.*lower lr .*or beta"),
    ],
)
def test_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        small(**parameters).fit(NOISY, CLEAN)


def test_a_module_that_cannot_draw_is_refused():
    restorer = VariationalRestorer(module=Plain, max_epochs=1)
    with pytest.raises(ValueError, match="module must have a method latent_shape"):
        restorer.fit(NOISY, CLEAN)


def test_parameters_are_checked_by_predict(trained):
    again = pickle.loads(pickle.dumps(trained))
    for n, options in ((1, {"return_std": True}), (0, {})):
        with pytest.raises(ValueError, match="n_draws"):
            again.set_params(n_draws=n).predict(TEST_NOISY, **options)
