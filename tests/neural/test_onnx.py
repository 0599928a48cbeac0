"""ONNX export: any size, in the units of the data, checked by onnxruntime."""

import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from sklearn.exceptions import NotFittedError
from torch import nn

from skdeconv import DeconvRestorer
from skdeconv.neural._building import MODULES
from skdeconv.neural._keeping._onnx import export

# Sizes that need padding along all axes, some or none, and a single pixel; in the
# export there is another.
SIZES = [(1, 16, 8, 8), (3, 21, 30, 9), (1, 1, 1, 1), (2, 31, 16, 5)]


class OneLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x):
        return self.layer(x)


def small(**parameters):
    defaults = {"max_epochs": 1, "patches_per_epoch": 2, "random_state": 0}
    return DeconvRestorer(**defaults | parameters)


def run(path, degraded):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"degraded": degraded})[0]


@pytest.mark.parametrize(("ndim", "channels"), [(1, 1), (2, 3), (3, 2)])
def test_it_answers_as_predict_does(ndim, channels, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.random((2, *(16, 12, 8)[:ndim], channels), dtype=np.float32)
    width = 4 if ndim == 2 else (4,)  # tracing every level takes seconds
    restorer = small(module__width=width, module__n_blocks=1, ndim=ndim).fit(X, X)
    path = restorer.to_onnx(tmp_path / "model.onnx")
    onnx.checker.check_model(path)
    for size in SIZES:
        images = rng.random((*size[: ndim + 1], channels), dtype=np.float32)
        answer = np.moveaxis(run(path, np.moveaxis(images, -1, 1)), 1, -1)
        assert answer.shape == images.shape
        assert np.abs(answer - restorer.predict(images)).max() < 1e-4


NAMED = {
    "autoencoder": {"module__width": 4},
    "dncnn": {"module__width": 4, "module__depth": 3},
    "fsrcnn": {"upscale": 2},
    "rednet": {"module__width": 4, "module__depth": 4},
}


@pytest.mark.parametrize("module", sorted({*MODULES} - {"unet", "conv_transpose"}))
def test_every_named_network(module, tmp_path):
    parameters = NAMED[module]
    X = np.random.default_rng(0).random((2, 13, 18), dtype=np.float32)
    n = parameters.get("upscale", 1)
    restorer = small(module=module, **parameters).fit(X, np.kron(X, np.ones((n, n))))
    answer = run(restorer.to_onnx(tmp_path / "model"), X[:, None])
    assert np.abs(answer[:, 0] - restorer.predict(X)).max() < 1e-4


def test_levels_finer_pixels_and_masks(tmp_path):
    rng = np.random.default_rng(0)
    coarse = rng.random((3, 7, 9, 2), dtype=np.float32) * 20
    fine = rng.random((3, 14, 18, 2), dtype=np.float32) * 20
    restorer = small(
        module__width=(4,),
        module__n_blocks=1,
        module__noise_map=True,
        upscale=2,
        noise_std=3.0,
        data_range=20.0,
    )
    restorer.fit(coarse, fine, mask=np.ones_like(coarse))
    session = onnxruntime.InferenceSession(restorer.to_onnx(tmp_path / "model"))
    answer = session.run(
        None,
        {
            "degraded": np.moveaxis(coarse, -1, 1),
            "noise_std": np.full(3, 3.0, dtype=np.float32),
        },
    )[0]
    expected = np.moveaxis(restorer.predict(coarse), -1, 1)
    assert answer.shape == expected.shape == (3, 2, 14, 18)
    assert np.abs(answer - expected).max() < 1e-4 * 20


def test_a_network_that_sees_enlarged_images(tmp_path):
    X = np.random.default_rng(0).random((2, 6, 5), dtype=np.float32)
    restorer = small(module=OneLayer, upscale=2).fit(X, np.kron(X, np.ones((2, 2))))
    answer = run(restorer.to_onnx(tmp_path / "model"), X[:, None])
    assert np.abs(answer[:, 0] - restorer.predict(X)).max() < 1e-4


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Of 8-bit images, clipped; with what it predicted before it was exported."""
    X = np.random.default_rng(0).integers(0, 256, (2, 16, 13), dtype=np.uint8)
    restorer = small(module="conv_transpose", clip=True).fit(X, X)
    before = restorer.predict(X)
    path = restorer.to_onnx(str(tmp_path_factory.mktemp("onnx") / "model"))
    return X, restorer, before, path


def test_units_and_clip(exported):
    X, _, expected, path = exported
    answer = run(path, X[:, None].astype("f4"))[:, 0]
    assert np.abs(answer - expected).max() < 1e-4 * 255
    white = run(path, np.full((1, 1, 4, 4), 1e4, dtype="f4"))
    black = run(path, np.full((1, 1, 4, 4), -1e4, dtype="f4"))
    assert {*np.unique(white), *np.unique(black)} & {0, 255}
    assert min(white.min(), black.min()) >= 0
    assert max(white.max(), black.max()) <= 255


def test_names_of_axes(exported):
    graph = onnx.load(exported[-1]).graph
    axes = [axis.dim_param for axis in graph.input[0].type.tensor_type.shape.dim]
    assert axes == ["batch", "", "height", "width"]
    assert [graph.input[0].name, graph.output[0].name] == ["degraded", "restored"]


def test_the_estimator_is_left_alone(exported):
    X, restorer, before, _ = exported
    assert np.array_equal(restorer.predict(X), before)
    restorer.partial_fit(X, X)


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime", "onnxscript"])
def test_the_extra_is_missing(missing, tmp_path, monkeypatch):
    X = np.zeros((2, 8, 8), dtype="f4")
    restorer = small(module="conv_transpose").fit(X, X)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=rf"{missing}.*skdeconv\[onnx\]"):
        restorer.to_onnx(tmp_path / "model")
    assert not list(tmp_path.iterdir())


class OfOneSize(nn.Module):
    """Runs on what it was trained on, and on nothing else."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        return self.linear(x)


class OfAnySizeInTorch(nn.Module):
    """Pools to a grid, of which the exported model knows the traced size only."""

    def forward(self, x):
        grid = nn.functional.adaptive_avg_pool2d(x, (4, 4)).mean((2, 3), keepdim=True)
        return x - grid


def test_a_model_that_is_wrong_is_not_written(tmp_path):
    network = nn.Sequential(OfAnySizeInTorch(), nn.Conv2d(1, 1, 1))
    with pytest.raises(ValueError, match="was exported, but"):
        export(
            tmp_path / "model",
            network.eval(),
            n_channels=1,
            ndim=2,
            data_range=1.0,
            with_noise=False,
        )
    assert not list(tmp_path.iterdir())


def test_a_network_that_does_not_take_any_size(tmp_path):
    X = np.zeros((2, 8, 8), dtype="f4")
    restorer = small(module=OfOneSize).fit(X, X)
    with pytest.raises(ValueError, match="cannot be exported"):
        restorer.to_onnx(tmp_path / "model")


def test_unfitted(tmp_path):
    with pytest.raises(NotFittedError):
        small().to_onnx(tmp_path / "model")
