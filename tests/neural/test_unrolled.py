"""UnrolledRestorer: the iterations of plug-and-play, with steps that are learned."""

import pickle

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve

from skdeconv import (
    DeconvRestorer,
    Degradation,
    PlugAndPlayRestorer,
    PretrainedDenoiser,
    UnrolledRestorer,
)
from skdeconv.datasets import make_dead_leaves
from skdeconv.degradations import GaussianNoise
from skdeconv.metrics import psnr
from skdeconv.neural._unrolling import Unrolling
from skdeconv.operators import Blur, Downsample, Mask, gaussian_psf
from skdeconv.operators._scene import open_outside

PSF = np.array([[0.0, 0.1, 0.3, 0.2], [0.1, 0.2, 0.05, 0.0], [0.05, 0.0, 0.0, 0.0]])
STD = 0.02
DEGRADE = Degradation([Blur(PSF), GaussianNoise(STD)], random_state=0)
SCENES = make_dead_leaves(6, shape=(48, 44), random_state=0)
OBSERVED, TRUTH = DEGRADE.pair(SCENES)
COLOURED = np.stack([SCENES[i : i + 3] for i in range(3)], axis=-1)


def small(psf=PSF, operator=None, **parameters):
    defaults = {
        "pretrained": False,
        "module__width": 4,
        "module__n_blocks": 1,
        "max_iter": 2,
        "patches_per_epoch": 4,
        "batch_size": 2,
        "patch_size": 16,
        "max_epochs": 1,
        "data_range": 1.0,
        "random_state": 0,
        "precision": "float32",
    }
    return UnrolledRestorer(psf, operator, **defaults | parameters)


def untrained(psf=PSF, operator=None, **parameters):
    """One with the weights of the package, and steps too small to change them."""
    options = {"lr": 1e-12, "ema_decay": None, "noise_std": STD, "max_iter": 3}
    design = {"module__width": 4, "module__n_blocks": 1}
    restorer = small(psf, operator, **options | {"pretrained": True} | parameters)
    if restorer.pretrained:
        restorer._kwargs = {
            k: v for k, v in restorer._kwargs.items() if k not in design
        }
    return restorer


def plug_and_play(psf=PSF, operator=None, boundary="extended", max_iter=3):
    return PlugAndPlayRestorer(
        psf,
        operator,
        denoiser=PretrainedDenoiser(),
        noise_std=STD,
        boundary=boundary,
        max_iter=max_iter,
        data_range=1.0,
    )


def weights(restorer):
    return torch.cat([p.detach().flatten() for p in restorer.net_.module_.parameters()])


@pytest.fixture(scope="module")
def trained():
    """One that is asked many things; do not refit it."""
    return small(max_epochs=2).fit(OBSERVED, TRUTH)


@pytest.mark.parametrize("boundary", ["extended", "reflect", "periodic"])
def test_it_begins_as_plug_and_play(boundary):
    observed, truth = OBSERVED, TRUTH
    if boundary != "extended":
        degrade = Degradation([Blur(PSF, boundary), GaussianNoise(STD)], random_state=0)
        observed, truth = degrade.fit(SCENES).transform(SCENES), SCENES
    first = untrained(boundary=boundary).fit(observed, truth)
    expected = plug_and_play(boundary=boundary).fit(observed).predict(observed)
    assert np.allclose(first.predict(observed), expected, atol=1e-4)
    assert psnr(truth, expected, data_range=1) > psnr(truth, observed, data_range=1) + 3


@pytest.mark.parametrize("offset", [-1.5, 2.0])
def test_it_begins_as_plug_and_play_outside_of_the_range(offset):
    observed, truth = OBSERVED + offset, TRUTH + offset
    first = untrained().fit(observed, truth)
    expected = plug_and_play().fit(observed).predict(observed)
    assert np.allclose(first.predict(observed), expected, atol=1e-3)


@pytest.mark.parametrize("channels", [2, 3])
def test_it_begins_as_plug_and_play_in_colour(channels):
    observed, truth = DEGRADE.pair(COLOURED[..., :channels])
    first = untrained().fit(observed, truth)
    expected = plug_and_play().fit(observed).predict(observed)
    assert np.allclose(first.predict(observed), expected, atol=1e-4)


def test_it_begins_as_plug_and_play_with_operators():
    seen = np.random.default_rng(0).random(TRUTH.shape[1:]) > 0.3
    fine = SCENES[:, : 2 * (SCENES.shape[1] // 2), : 2 * (SCENES.shape[2] // 2)]
    coarse = Degradation([Downsample(2), GaussianNoise(STD)], random_state=0)
    for operator, observed, truth in (
        (Mask(seen), TRUTH * seen, TRUTH),
        (Mask(seen) @ Blur(PSF), OBSERVED * seen, TRUTH),
        (Downsample(2), coarse.fit(fine).transform(fine), fine),
    ):
        first = untrained(None, operator).fit(observed, truth)
        expected = plug_and_play(None, operator).fit(observed).predict(observed)
        restored = first.predict(observed)
        assert restored.shape == truth.shape
        assert np.allclose(restored, expected, atol=1e-4)


def test_training_is_better_than_plug_and_play():
    before = plug_and_play(max_iter=2).fit(OBSERVED).score(OBSERVED, TRUTH)
    options = {"pretrained": True, "max_iter": 2, "lr": 3e-4, "noise_std": STD}
    after = untrained(**options, patches_per_epoch=40, patch_size=24)
    assert after.fit(OBSERVED[:4], TRUTH[:4]).score(OBSERVED, TRUTH) > before + 0.5


def test_steps_and_weights_are_learned(trained):
    module = trained.net_.module_
    assert module.couplings.abs().min() > 0
    assert module.levels.abs().min() > 0
    again = small(max_epochs=2).fit(OBSERVED, TRUTH)
    assert torch.equal(weights(again), weights(trained))
    other = small(max_epochs=2, random_state=1).fit(OBSERVED, TRUTH)
    assert not torch.equal(weights(other), weights(trained))


def test_clean_images_and_a_degradation():
    restorer = small(degradation=DEGRADE, validation_fraction=0.2).fit(SCENES)
    assert restorer.predict(OBSERVED).shape == OBSERVED.shape
    assert np.isfinite(restorer.history_[-1]["valid_psnr"])
    # Patches are turned before they are degraded, and pairs not at all.
    assert restorer.augment
    assert not small().augment
    assert small(None).augment


@pytest.mark.parametrize("boundary", ["reflect", "periodic"])
def test_patches_are_parts_of_a_larger_scene(boundary):
    restorer = small(boundary=boundary).fit(OBSERVED, TRUTH)
    assert restorer.net_.module_.operator.boundary == "extended"
    camera = open_outside(Downsample(2) @ Blur(PSF))
    assert camera.inner.boundary == "extended"
    assert open_outside(camera.outer) is camera.outer


def test_other_psfs_in_predict(trained):
    other = gaussian_psf(1.0)
    blurred = np.stack([convolve(scene, other) for scene in TRUTH])
    told = trained.predict(blurred, psf=other)
    assert np.array_equal(trained.predict(blurred[:2], psf=[other, other]), told[:2])
    assert np.abs(told - trained.predict(blurred)).max() > 0.01
    # Not kept for the next call.
    assert np.array_equal(trained.predict(OBSERVED), trained.predict(OBSERVED, psf=PSF))


def test_masks_need_no_training_with_masks(trained):
    seen = np.random.default_rng(0).random(OBSERVED.shape) > 0.1
    broken = np.where(seen, OBSERVED, 9.0)
    restored = trained.predict(broken, mask=seen)
    assert np.array_equal(restored, trained.predict(OBSERVED * seen, mask=seen))
    assert trained.score(broken, TRUTH, mask=seen) > trained.score(broken, TRUTH) + 3
    taught = small().fit(broken, TRUTH, mask=seen)
    assert taught.net_.history[-1]["train_loss"] < 1
    assert np.isfinite(taught.predict(OBSERVED)).all()


def test_saved(trained, tmp_path):
    for restorer in (trained, untrained().fit(OBSERVED, TRUTH)):
        expected = restorer.predict(OBSERVED)
        path = restorer.save(tmp_path / "model.safetensors")
        assert np.array_equal(UnrolledRestorer.load(path).predict(OBSERVED), expected)
        again = pickle.loads(pickle.dumps(restorer))
        assert np.array_equal(again.predict(OBSERVED), expected)
    restorer.set_params(max_iter=5)
    with pytest.raises(ValueError, match=r"max_iter.* changed since fit"):
        restorer.save(path)
    with pytest.raises(ValueError, match="cannot be exported"):
        trained.to_onnx(tmp_path / "model.onnx")


def test_weights_of_ones_own(tmp_path):
    options = {"module__width": 4, "module__noise_map": True, "max_epochs": 1}
    options |= {"patches_per_epoch": 4, "precision": "float32", "data_range": 1.0}
    network = DeconvRestorer(**options).fit(OBSERVED, TRUTH)
    path = network.save(tmp_path / "denoiser.safetensors")
    design = {"module__width": 4, "module__n_blocks": 1}
    restorer = untrained(pretrained=str(path)).fit(OBSERVED, TRUTH)
    found = restorer.net_.module_.denoiser.state_dict()
    for name, value in network.net_.module_.state_dict().items():
        assert torch.allclose(found[name], value, atol=1e-6)
    model = restorer.save(tmp_path / "model.safetensors")
    path.unlink()  # what is saved needs no other file
    loaded = UnrolledRestorer.load(model)
    assert np.array_equal(loaded.predict(OBSERVED), restorer.predict(OBSERVED))
    options["module__noise_map"] = False
    DeconvRestorer(**options).fit(OBSERVED, TRUTH).save(path)
    with pytest.raises(
        ValueError, match="pretrained must be of a network with a noise"
    ):
        untrained(pretrained=str(path)).fit(OBSERVED, TRUTH)
    with pytest.raises(ValueError, match="module__width describes a network"):
        small(pretrained=True, **design).fit(OBSERVED, TRUTH)


def test_training_goes_on(tmp_path):
    options = {"max_epochs": 2, "checkpoint": tmp_path / "training.pt"}
    kept = small(**options).fit(OBSERVED, TRUTH)
    assert torch.equal(weights(small(**options).fit(OBSERVED, TRUTH)), weights(kept))
    warm = small(warm_start=True).fit(OBSERVED, TRUTH)
    warm.set_params(psf=gaussian_psf(1.0)).fit(OBSERVED, TRUTH)
    assert warm.n_iter_ == 2
    assert warm.net_.module_.operator.psf.shape == gaussian_psf(1.0).shape
    assert warm.partial_fit(OBSERVED, TRUTH).n_iter_ == 3
    with pytest.raises(ValueError, match=r"max_iter.* changed"):
        warm.set_params(max_iter=3).fit(OBSERVED, TRUTH)


@pytest.mark.parametrize("pretrained", [False, True])
@pytest.mark.parametrize("ndim", [1, 3])
def test_signals_and_volumes(ndim, pretrained):
    psf = np.full((3,) * ndim, 3.0**-ndim)
    X = np.random.default_rng(0).normal(0.5, STD, (2, *(12, 14, 13)[:ndim]))
    make = untrained if pretrained else small
    restorer = make(psf, pretrained=pretrained).fit(X, X)
    assert restorer.net_.module_.denoiser.ndim == (2 if pretrained else ndim)
    restored = restorer.predict(X)
    assert restored.shape == X.shape
    if pretrained:
        expected = plug_and_play(psf).fit(X).predict(X)
        assert np.allclose(restored, expected, atol=1e-4)


def test_physics_is_exact_in_low_precision():
    x = torch.from_numpy(OBSERVED[:, None]).float()
    noise = torch.full((len(x),), STD)
    torch.manual_seed(0)
    module = Unrolling(1, Blur(PSF, "extended"), 2, width=4)
    torch.nn.init.zeros_(module.denoiser.tail.weight)  # which then changes nothing
    expected = module(x, noise)
    with torch.autocast("cpu", torch.bfloat16):
        answer = module(x, noise)
    assert answer.dtype == torch.float32
    assert torch.allclose(answer, expected, atol=0.01)
    restorer = small(precision="bfloat16").fit(OBSERVED, TRUTH)
    assert np.isfinite(restorer.predict(OBSERVED)).all()


@pytest.mark.parametrize(
    "operator", [Blur(PSF, "extended"), Downsample(2), Mask([1.0])]
)
def test_gradients_are_finite(operator):
    operator = Blur(np.ones(1)) if isinstance(operator, Mask) else operator
    module = Unrolling(1, operator, 2, width=4)
    for flat in (False, True):
        x = torch.rand(2, 1, *(6,) * operator.ndim)
        x = torch.full_like(x, 0.5) if flat else x
        module(x, torch.tensor([0.0, 0.1])).square().mean().backward()
        assert all(p.grad.isfinite().all() for p in module.parameters())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"max_iter": 0}, "'max_iter' parameter"),
        ({"boundary": "zero"}, "'boundary' parameter"),
        ({"pretrained": None}, "'pretrained' parameter"),
        ({"operator": Downsample(2)}, "psf and operator exclude each other"),
        ({"module__depth": 3}, "module__depth cannot be passed on"),
        ({"noise_std": -1.0}, "'noise_std' parameter"),
    ],
)
def test_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        small(**parameters).fit(OBSERVED, TRUTH)


def test_a_degradation_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="degradation makes pixels 1 times coarser"):
        small(None, Downsample(2), degradation=DEGRADE).fit(SCENES)


def test_masks_of_one_size_do_not_go_with_patches():
    operator = Mask(np.ones(SCENES.shape[1:3])) @ Blur(PSF)
    with pytest.raises(ValueError, match="operator hides pixels of images of one"):
        small(None, operator, degradation=DEGRADE).fit(SCENES)
