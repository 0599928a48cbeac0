"""Learning from noisy images alone."""

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from torch import nn

from skdeconv import DeconvRestorer, Degradation
from skdeconv.datasets import make_dead_leaves
from skdeconv.degradations import GaussianNoise
from skdeconv.metrics import psnr
from skdeconv.neural._patches import _noise_of
from skdeconv.neural._supervision import (
    STEP,
    SURE,
    Neighbor2Neighbor,
    Noise2Void,
    _take,
)
from skdeconv.operators import Blur, gaussian_psf

CLEAN = make_dead_leaves(6, shape=(48, 48), random_state=0)
NOISY = CLEAN + np.random.default_rng(0).normal(0, 0.2, CLEAN.shape).astype("f4")


def small(**parameters):
    defaults = {
        "module__width": 12,
        "module__n_blocks": 1,
        "max_epochs": 4,
        "patches_per_epoch": 200,
        "batch_size": 4,
        "patch_size": 32,
        "lr": 5e-3,
        "random_state": 0,
        "precision": "float32",
    }
    return DeconvRestorer(**defaults | parameters)


class Net:
    """As much of a net as an objective asks for."""

    def __init__(self, function):
        self.function, self.criterion_ = function, nn.MSELoss()

    def infer(self, x):
        return self.function(x[0] if isinstance(x, tuple) else x)


@pytest.mark.parametrize("supervision", ["noise2void", "neighbor2neighbor", "sure"])
def test_it_learns_without_clean_images(supervision):
    restorer = small(supervision=supervision).fit(NOISY)
    before = psnr(CLEAN, NOISY, data_range=1)
    assert restorer.score(NOISY, CLEAN) > before + 3
    assert "valid_psnr" not in restorer.history_[-1]
    one = small(supervision=supervision, max_epochs=1).fit(NOISY[:1])
    assert one.predict(NOISY).shape == NOISY.shape


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("supervision", ["noise2void", "neighbor2neighbor", "sure"])
def test_axes_and_channels(ndim, supervision):
    X = np.random.default_rng(0).random((2, *[9, 8, 7][:ndim], 3)).astype("f4")
    options = {"max_epochs": 1, "patches_per_epoch": 4, "noise_std": 0.1}
    restorer = small(supervision=supervision, ndim=ndim, **options).fit(X)
    assert restorer.predict(X).shape == X.shape


def test_a_truth_is_only_for_validation():
    options = {"supervision": "sure", "noise_std": 0.2, "max_epochs": 1}
    options |= {"patches_per_epoch": 16, "validation_fraction": 0.2}
    with_y = small(**options).fit(NOISY, CLEAN)
    assert "valid_psnr" in with_y.history_[-1]
    other = small(**options).fit(NOISY, np.zeros_like(CLEAN))
    a, b = (list(r.net_.module_.parameters()) for r in (with_y, other))
    assert all(torch.equal(p, q) for p, q in zip(a, b, strict=True))
    search = GridSearchCV(
        small(max_epochs=1, patches_per_epoch=16),
        {"supervision": [None, "noise2void"]},
        cv=2,
    ).fit(NOISY, CLEAN)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


BLUR = Blur(gaussian_psf(1.0), "periodic")


@pytest.mark.parametrize(
    "restore",
    [lambda x: 0.7 * BLUR(x) + 0.1, lambda x: BLUR(x) + 0.05 * torch.sin(20 * x)],
    ids=["linear", "wild"],
)
def test_sure_estimates_the_error(restore):
    # Without bias for noise that is a little stronger, however wild the restorer is.
    torch.manual_seed(0)
    clean = torch.rand(16, 1, 64, 64)
    sigma = 0.2
    noisy = clean + sigma * torch.randn_like(clean)
    seen = []
    net = Net(lambda x: seen.append(x) or restore(x))
    levels = torch.full((16,), sigma)
    risk, prediction = SURE()(net, (noisy, levels), noisy)
    assert prediction.shape == clean.shape
    stronger = clean + sigma * (1 + STEP**2) ** 0.5 * torch.randn_like(clean)
    true = (restore(stronger) - clean).square().mean()
    assert float(risk) == pytest.approx(float(true), rel=0.05)
    added = seen[0] - noisy.repeat(2, 1, 1, 1)
    assert float(added.std()) == pytest.approx(STEP * sigma, rel=0.05)


def test_sure_leaves_missing_pixels_free():
    torch.manual_seed(0)
    factor = torch.ones(2, 1, 16, 16, requires_grad=True)
    x, levels = torch.rand(2, 1, 16, 16), torch.full((2,), 0.1)
    weight = (torch.rand_like(x) > 0.3).float()
    net = Net(lambda x: factor.repeat(2, 1, 1, 1) * x[:, :1])
    SURE()(net, (torch.cat([x, weight], 1), levels), x)[0].backward()
    assert bool((factor.grad[weight == 0] == 0).all())
    assert bool((factor.grad[weight > 0] != 0).all())


def test_sure_knows_counted_photons():
    rows, columns = np.mgrid[:160, :160]
    waves = np.sin(rows / 17) * np.cos(columns / 23)
    clean = 4 + 60 * (1 + np.stack([waves, waves.T])) ** 2
    noisy = np.random.default_rng(0).poisson(clean).astype("f4")
    options = {"supervision": "sure", "data_range": 250.0}
    score = small(**options).fit(noisy).score(noisy, clean)
    assert score > psnr(clean, noisy, data_range=250) + 3
    # The level of the dark parts alone teaches to leave the noise where it is.
    assert score > small(**options, noise_std=2.0).fit(noisy).score(noisy, clean) + 1


def test_noise_of_pixels():
    x = torch.full((3, 2, 1, 9), 6.0)
    x[..., :4] = 0
    levels = _noise_of(x, [2.0, (1.0, 4.0), (-1.0, 0.1)])
    assert levels.shape == x.shape
    assert (levels[0] == 2).all()
    assert levels[1, :, 0, [0, -1]].unique().tolist() == [1.0, 5.0]
    assert (levels[2] >= 0).all()
    assert _noise_of(x, [1.0, 2.0, 3.0]).tolist() == [1.0, 2.0, 3.0]


def test_sure_tells_the_network_what_noise_it_sees():
    seen = []

    class Told(Net):
        def infer(self, x):
            seen.append(x[1])
            return x[0]

    x, levels = torch.rand(2, 1, 16, 16), torch.tensor([0.1, 0.2])
    SURE()(Told(None), (x, levels), x)
    torch.testing.assert_close(seen[0], levels.repeat(2) * (1 + STEP**2) ** 0.5)


def test_sure_estimates_the_error_of_what_is_measured(monkeypatch):
    monkeypatch.setattr(SURE, "_equivariance", lambda *_: 0.0)
    torch.manual_seed(0)
    psf = gaussian_psf(1.0)
    scene = torch.rand(4, 1, 72, 72)
    blurred = Blur(psf, "reflect")(scene)
    sigma = 0.1
    noisy = blurred + sigma * torch.randn_like(blurred)

    def restore(x):
        return 1.5 * x - 0.5 * Blur(psf, "periodic")(x)

    risk, _ = SURE(psf)(Net(restore), (noisy, torch.full((4,), sigma)), noisy)
    inside = slice(3, -3)
    stronger = blurred + sigma * (1 + STEP**2) ** 0.5 * torch.randn_like(blurred)
    seen = Blur(psf, "periodic")(restore(stronger))
    true = (seen - blurred)[..., inside, inside].square().mean()
    assert float(risk) == pytest.approx(float(true), rel=0.1)


def test_noise2void_hides_what_it_asks_for():
    torch.manual_seed(0)
    x = torch.rand(3, 2, 16, 17)
    shown = []

    def remember(x):
        shown.append(x)
        return torch.zeros_like(x)

    loss, _ = Noise2Void(share=0.3)(Net(remember), x, x)
    hidden = (shown[0] != x)[:, 0]
    assert 0.2 < hidden.float().mean() < 0.4
    assert torch.equal(hidden, (shown[0] != x)[:, 1])
    masked = hidden[:, None].expand_as(x)
    assert float(loss) == pytest.approx(float(x[masked].square().mean()))


def test_neighbors_are_neighbors():
    x = torch.arange(3 * 8 * 6, dtype=torch.float32).reshape(3, 1, 8, 6)
    first, second = Neighbor2Neighbor()._choice(x)
    a, b = _take(x, first), _take(x, second)
    assert a.shape == (3, 1, 4, 3)
    assert set((a - b).abs().unique().tolist()) == {1.0, 6.0}
    corner = 12 * torch.arange(4)[:, None] + 2 * torch.arange(3) + 48.0
    assert bool(((a[1, 0] - corner) % 6 < 2).all())


@pytest.mark.parametrize("supervision", ["sure", "noise2void"])
def test_a_blur_stands_between(supervision):
    psf = gaussian_psf(1.2)
    blurred = Blur(psf, "reflect")(torch.from_numpy(CLEAN)[:, None])[:, 0].numpy()
    X = blurred + np.random.default_rng(0).normal(0, 0.02, CLEAN.shape).astype("f4")
    options = {"supervision": supervision, "noise_std": 0.02, "patches_per_epoch": 200}
    sharp = small(psf=psf, **options).fit(X)
    assert sharp.score(X, CLEAN) > psnr(CLEAN, X, data_range=1) + 0.25


def test_missing_pixels_cost_nothing():
    mask = np.random.default_rng(1).random(CLEAN.shape) > 0.2
    for supervision in ("noise2void", "neighbor2neighbor", "sure"):
        options = {"supervision": supervision, "max_epochs": 1, "noise_std": 0.2}
        options["patches_per_epoch"] = 16
        a = small(**options).fit(np.where(mask, NOISY, 0.5), mask=mask)
        b = small(**options).fit(np.where(mask, NOISY, -0.5), mask=mask)
        pairs = zip(
            a.net_.module_.parameters(), b.net_.module_.parameters(), strict=True
        )
        assert all(torch.equal(p, q) for p, q in pairs)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"supervision": "noise2self"}, "'supervision' parameter"),
        ({"supervision": None, "psf": [[1.0]]}, "with supervision=None pass psf=None"),
        ({"degradation": Degradation([GaussianNoise(0.1)])}, "learns from X as it is"),
        ({"upscale": 2}, "learns from X as it is"),
        ({"supervision": "neighbor2neighbor", "psf": [[1.0]]}, "cannot take a psf"),
        ({"psf": [0.2, 0.6, 0.2]}, "as many axes as ndim says, got 1 and ndim=2"),
        ({"criterion": "l1"}, "criterion must be 'mse'"),
        ({"early_stopping": True}, "without y"),
    ],
)
def test_what_does_not_go_together(parameters, message):
    y = CLEAN if parameters.get("supervision", "") is None else None
    with pytest.raises(ValueError, match=message):
        small(**{"supervision": "sure"} | parameters).fit(NOISY, y)
