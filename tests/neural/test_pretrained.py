"""PretrainedDenoiser: quality out of the box, levels, adaptation, damage refused."""

import pickle
import shutil
import subprocess
import sys
import zipfile
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import sklearn
from scipy.ndimage import convolve, gaussian_filter
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skdeconv import BlockMatchingRestorer, DeconvRestorer, PretrainedDenoiser
from skdeconv.datasets import load_photographs
from skdeconv.exceptions import NoiseWarning
from skdeconv.metrics import psnr
from skdeconv.neural._weights import WEIGHTS

ROOT = Path(__file__).parents[2]


def parts(size=128):
    images = load_photographs("test").images
    return np.stack([image[:size, -size:] for image in images]).astype(np.float32)


CLEAN = parts()
NOISE = np.random.default_rng(0).standard_normal(CLEAN.shape).astype(np.float32)
NOISY = CLEAN + 25 * NOISE


def denoiser(noise_std=25.0, **parameters):
    options = {"fine_tune": False, "data_range": 255.0, "random_state": 0}
    return PretrainedDenoiser(noise_std, **options | parameters)


@pytest.mark.parametrize("std", [15, 25, 50])
def test_better_than_block_matching(std):
    noisy = CLEAN + std * NOISE
    network = denoiser(float(std)).fit(noisy).score(noisy, CLEAN)
    blocks = BlockMatchingRestorer(noise_std=float(std), data_range=255.0)
    assert network > blocks.fit(noisy).score(noisy, CLEAN) + 0.2


def test_colour_is_restored_together():
    rng = np.random.default_rng(1)
    clean = CLEAN[:2, ..., None] * np.array([1.0, 0.8, 0.6], np.float32)
    noisy = clean + rng.normal(0, 25, clean.shape).astype(np.float32)
    together = denoiser().fit(noisy).score(noisy, clean)
    apart = [denoiser().fit(noisy[..., c]).predict(noisy[..., c]) for c in range(3)]
    assert together > psnr(clean, np.stack(apart, -1), data_range=255) + 0.5


def test_levels_are_found():
    restorer = denoiser("auto").fit(NOISY)
    assert restorer.noise_std_.shape == (len(NOISY),)
    np.testing.assert_allclose(restorer.noise_std_, 25, rtol=0.1)
    known = denoiser().fit(NOISY).score(NOISY, CLEAN)
    assert restorer.score(NOISY, CLEAN) > known - 0.1
    assert denoiser("auto").fit(NOISY, CLEAN).noise_std_ == pytest.approx(25, rel=0.02)


def test_levels_of_images_and_pixels():
    levels = np.array([5, 25, 25, 40, 60.0][: len(CLEAN)])
    noisy = CLEAN + levels[:, None, None].astype("f4") * NOISE
    restorer = denoiser().fit(noisy)
    by_image = restorer.predict(noisy, noise_std=levels)
    for i, level in enumerate(levels):
        alone = denoiser(float(level)).fit(noisy[[i]]).predict(noisy[[i]])
        np.testing.assert_allclose(by_image[i], alone[0], atol=1e-2)
    maps = np.broadcast_to(levels[:, None, None], noisy.shape)
    np.testing.assert_allclose(
        restorer.transform(noisy, noise_std=maps), by_image, atol=1e-3
    )
    alike = restorer.predict(noisy, noise_std=25)
    np.testing.assert_allclose(alike[1], by_image[1], atol=1e-2)
    ramp = np.linspace(0, 60, noisy.shape[2])
    uneven = CLEAN + (ramp * NOISE).astype("f4")
    told = restorer.predict(uneven, noise_std=np.broadcast_to(ramp, uneven.shape))
    flat = denoiser(float(ramp.mean())).fit(uneven).predict(uneven)
    told, flat = (psnr(CLEAN, image, data_range=255) for image in (told, flat))
    assert told > flat + 0.5
    score = restorer.score(noisy, CLEAN, noise_std=levels)
    assert score == pytest.approx(psnr(CLEAN, by_image, data_range=255), abs=1e-3)
    assert score > restorer.score(noisy, CLEAN) + 0.5
    listed = restorer.predict(list(noisy), noise_std=list(levels))
    assert isinstance(listed, list)
    np.testing.assert_allclose(listed[0], by_image[0], atol=1e-2)


@pytest.mark.parametrize(
    "levels",
    [-3.0, [1.0], -np.ones(len(CLEAN)), np.full(len(CLEAN), np.nan), CLEAN[:2]],
)
def test_wrong_levels(levels):
    restorer = denoiser().fit(NOISY)
    with pytest.raises(ValueError, match="noise_std must"):
        restorer.predict(NOISY, noise_std=levels)


def test_level_in_the_wrong_units_is_told_of():
    with pytest.warns(NoiseWarning, match="25 of 255 is 0.098 of 1"):
        PretrainedDenoiser(25).fit(NOISY / 255)


def test_levels_are_routed():
    levels = np.full(len(NOISY), 25.0)
    with sklearn.config_context(enable_metadata_routing=True):
        step = denoiser(5.0).set_transform_request(noise_std=True, mask=False)
        last = denoiser(0.0).set_predict_request(noise_std=False, mask=False)
        last.set_fit_request(mask=False)
        chain = make_pipeline(step.set_fit_request(mask=False), last)
        answer = chain.fit(NOISY).predict(NOISY, noise_std=levels)
    expected = denoiser(25.0).fit(NOISY).predict(NOISY)
    np.testing.assert_allclose(answer, expected, atol=1e-2)


@pytest.mark.parametrize(("offset", "tunes"), [(-400.0, True), (300.0, False)])
def test_intensities_outside_of_the_range(offset, tunes, few_batches):
    # Such as those from which a mean was taken; a bright place is restored best.
    noisy, truth = NOISY[:2, 76:124, :48], CLEAN[:2, 76:124, :48]
    images, clean = noisy + offset, truth + offset
    tune = {"max_epochs": 1, "fine_tune": True}
    ways = [({}, False), (tune, True), (tune, False)]
    for options, pairs in ways if tunes else ways[:1]:
        usual = denoiser(**options).fit(noisy, truth if pairs else None)
        moved = denoiser(**options).fit(images, clean if pairs else None)
        assert moved.score(images, clean) > usual.score(noisy, truth) - 0.25


def test_no_noise_nothing_happens():
    restored = denoiser(0.0).fit(CLEAN).predict(CLEAN)
    np.testing.assert_array_equal(restored, CLEAN)
    little = denoiser(0.5).fit(CLEAN).predict(CLEAN)
    assert psnr(CLEAN, little, data_range=255) > 40


@pytest.mark.parametrize("value", [0, 77, 255])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_flat_images_stay(value, dtype):
    flat = np.full((1, 64, 64), value, dtype)
    found = PretrainedDenoiser(data_range=255.0).fit(flat).predict(flat)
    np.testing.assert_array_equal(found, flat)
    told = denoiser(25.0).fit(flat).predict(flat)
    np.testing.assert_array_equal(told, flat)


def test_batch_tile_and_memory_order_make_no_difference():
    large = np.tile(NOISY[:2], (1, 2, 3))[:, :140, :171] / 255
    restorer = denoiser(0.1, data_range=1.0, tile_size=None).fit(large)
    answer = restorer.predict(large)
    for one in (
        np.concatenate([restorer.predict(large[[i]]) for i in range(2)]),
        restorer.predict(np.asfortranarray(large)),
        clone(restorer).set_params(tile_size=64).fit(large).predict(large),
    ):
        np.testing.assert_allclose(one, answer, rtol=0, atol=1e-5)
    restorer.set_params(self_ensemble=True)
    odd = large[:1, :59, :101]
    whole, tiles = (
        clone(restorer).set_params(tile_size=size).fit(odd).predict(odd)
        for size in (None, 48)
    )
    np.testing.assert_allclose(whole, tiles, rtol=0, atol=1e-5)


def test_units():
    grey = np.clip(np.rint(NOISY), 0, 255).astype(np.uint8)
    eight = PretrainedDenoiser(25.0).fit(grey).predict(grey)
    assert eight.dtype == np.float32
    sixteen = PretrainedDenoiser(25.0 * 257).fit(grey.astype("u2") * 257)
    np.testing.assert_allclose(
        sixteen.predict(grey.astype("u2") * 257) / 257, eight, atol=1e-2
    )
    double = PretrainedDenoiser(25 / 255).fit(grey / 255.0).predict(grey / 255.0)
    np.testing.assert_allclose(255 * double, eight, atol=1e-2)


def test_counted_photons():
    clean = CLEAN / 255
    rng = np.random.default_rng(0)
    gain, reading = 0.05, 0.02
    counted = gain * rng.poisson(clean / gain) + rng.normal(0, reading, clean.shape)
    options = {"data_range": 1.0, "fine_tune": False}
    told = PretrainedDenoiser(reading, gain=gain, **options).fit(counted)
    rms = float(np.sqrt(gain * clean.mean() + reading**2))
    white = PretrainedDenoiser(rms, **options).fit(counted)
    assert told.score(counted, clean) > white.score(counted, clean) + 0.5
    alone = PretrainedDenoiser("auto", **options).fit(counted)
    assert alone.score(counted, clean) > told.score(counted, clean) - 0.2
    bias = np.mean(told.predict(counted) - clean)
    assert abs(bias) < 0.002
    with pytest.raises(ValueError, match="noise_std must be a number"):
        PretrainedDenoiser(gain=gain).fit(counted)


def test_adapting_to_pairs_helps(few_batches):
    rng = np.random.default_rng(0)
    clean = 255 * (rng.random((3, 6, 6)) > 0.5).repeat(8, 1).repeat(8, 2)
    clean = clean + 40 * (np.indices((48, 48)).sum(0) % 2)  # unlike photographs
    noisy = clean + rng.normal(0, 60, clean.shape)
    plain = denoiser(60.0).fit(noisy).score(noisy, clean)
    paired = denoiser(60.0, fine_tune="auto", lr=1e-3, max_epochs=2).fit(noisy, clean)
    assert paired.score(noisy, clean) > plain + 0.5
    alone = denoiser(60.0, fine_tune=True, lr=5e-4, max_epochs=2).fit(noisy)
    assert alone.score(noisy, clean) > plain
    again = clone(alone).fit(noisy)
    np.testing.assert_array_equal(again.predict(noisy), alone.predict(noisy))


def test_adapting_to_counted_photons_helps(few_batches):
    rows, columns = np.mgrid[:48, :48]
    waves = np.sin(rows / 17) * np.cos(columns / 23)
    clean = 10 + 55 * (1 + waves) ** 1.5 + 40 * ((rows + columns) % 2)
    noisy = 4.0 * np.random.default_rng(0).poisson(clean[None] / 4)
    options = {"data_range": 255, "lr": 5e-4, "max_epochs": 6, "random_state": 0}
    plain, adapted = (
        PretrainedDenoiser(fine_tune=tune, **options)
        .fit(noisy)
        .score(noisy, clean[None])
        for tune in (False, True)
    )
    assert adapted > plain + 8


def test_adapting_to_noise_that_is_correlated(few_batches):
    rng = np.random.default_rng(1)
    clean = 128 + 400 * gaussian_filter(rng.standard_normal((1, 48, 48)), (0, 2, 2))
    neighbours = np.array([[[0, 0.1, 0], [0.2, 1, 0.2], [0, 0.1, 0]]])
    noisy = clean + 30 * convolve(rng.standard_normal(clean.shape), neighbours)
    plain, misled, adapted = (
        denoiser("auto", fine_tune=tune, lr=1e-3, max_epochs=6)
        .fit(noisy)
        .score(noisy, clean)
        for tune in (False, "sure", "neighbor2neighbor")
    )
    assert misled < plain
    assert adapted > plain + 0.3


def test_how_to_adapt_does_not_matter_beside_pairs(few_batches):
    options = {"max_epochs": 1}
    X, y = NOISY[:1, :32, :32], CLEAN[:1, :32, :32]
    one, other = (
        denoiser(fine_tune=tune, **options).fit(X, y).predict(X)
        for tune in (True, "neighbor2neighbor")
    )
    np.testing.assert_array_equal(one, other)


def test_what_cannot_be_adapted():
    with pytest.raises(ValueError, match="fine_tune"):
        denoiser(1.0, gain=1.0, fine_tune=True).fit(NOISY)
    with pytest.raises(ValueError, match="fine_tune"):
        denoiser(fine_tune="noise2void").fit(NOISY)
    with pytest.raises(ValueError, match="at least 2 pixels"):
        denoiser(fine_tune="neighbor2neighbor").fit(NOISY[:, :1])
    with pytest.raises(ValueError, match="fine_tune"):
        denoiser(fine_tune=True).fit(NOISY, mask=np.ones(NOISY.shape, bool))


def test_self_ensemble():
    noisy = NOISY[:2]
    one = denoiser().fit(noisy)
    turned = denoiser(self_ensemble=True).fit(noisy)
    assert turned.score(noisy, CLEAN[:2]) > one.score(noisy, CLEAN[:2])


def test_weights_of_pixels_tell_of_their_noise():
    weight = np.ones_like(NOISY)
    weight[..., :64] = 0.1
    noisy = CLEAN + 10 * NOISE / np.sqrt(weight)
    restorer = denoiser(10.0).fit(noisy, mask=weight)
    blind = restorer.score(noisy, CLEAN)
    assert restorer.score(noisy, CLEAN, mask=weight) > blind + 3
    restorer.fit(noisy, CLEAN, mask=weight)  # adapts to nothing


def test_flat_images_of_counted_photons_stay():
    flat = np.full((1, 32, 32), 200.0)
    restorer = PretrainedDenoiser(0.0, gain=1.0, data_range=255).fit(flat)
    np.testing.assert_array_equal(restorer.predict(flat), flat)


def test_levels_are_routed_to_a_first_step():
    levels = [10.0, 40.0][: len(NOISY)]
    X = NOISY[: len(levels)]
    with sklearn.config_context(enable_metadata_routing=True):
        first = denoiser().set_transform_request(noise_std=True)
        last = denoiser(0.0).set_predict_request(noise_std=False)
        chain = make_pipeline(first, last).fit(X, noise_std=levels)
        answer = chain.predict(X, noise_std=levels)
    expected = denoiser().fit(X).predict(X, noise_std=levels)
    np.testing.assert_allclose(answer, expected, atol=1e-2)


def test_dead_pixels_are_filled():
    seen = np.random.default_rng(0).random(NOISY.shape) > 0.05
    broken = np.where(seen, NOISY, 0)
    answer = denoiser().fit(broken).predict(broken, mask=seen)
    whole = denoiser().fit(NOISY).score(NOISY, CLEAN)
    assert psnr(CLEAN, answer, data_range=255) > whole - 1


def test_weights_of_ones_own(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.random((2, 16, 16, 3), dtype=np.float32)
    options = {"max_epochs": 1, "patches_per_epoch": 2, "module__width": 4}
    trained = DeconvRestorer(module__noise_map=True, noise_std=0.1, **options).fit(X, X)
    path = trained.save(tmp_path / "own.safetensors")
    own = PretrainedDenoiser(0.1, fine_tune=False, weights=path).fit(X)
    np.testing.assert_allclose(own.predict(X), trained.predict(X), atol=1e-6)
    with pytest.raises(ValueError, match="3 channels"):
        PretrainedDenoiser(0.1, weights=path).fit(X[..., 0])
    finer = np.repeat(np.repeat(X, 2, 1), 2, 2)
    twice = {"upscale": 2, "noise_std": 0.1}
    DeconvRestorer(module__noise_map=True, **twice, **options).fit(X, finer).save(path)
    with pytest.raises(ValueError, match="upscale=1"):
        PretrainedDenoiser(0.1, weights=path).fit(X)
    DeconvRestorer(**options).fit(X, X).save(path)
    with pytest.raises(ValueError, match="noise_map"):
        PretrainedDenoiser(0.1, weights=path).fit(X)
    raw = bytearray(path.read_bytes())
    raw[-100] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="changed"):
        PretrainedDenoiser(0.1, weights=path).fit(X)


def test_pickle():
    restorer = denoiser().fit(NOISY)
    again = pickle.loads(pickle.dumps(restorer))
    np.testing.assert_array_equal(again.predict(NOISY), restorer.predict(NOISY))


def test_weights_are_small():
    sizes = [
        len((files("skdeconv.neural") / "weights" / name).read_bytes())
        for name in WEIGHTS.values()
    ]
    assert sum(sizes) <= 8 * 2**20
    for n_channels in WEIGHTS:
        X = np.zeros((1, 8, 8, n_channels), np.float32)
        network = denoiser(0.1, data_range=1.0).fit(X).network_.net_.module_
        assert sum(p.numel() for p in network.parameters()) <= 2e6


def test_the_wheel_restores_offline(tmp_path):
    source = tmp_path / "source"  # apart, since building leaves files behind
    shutil.copytree(ROOT / "skdeconv", source / "skdeconv")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q"]
    build += ["--no-build-isolation", "-w", str(tmp_path), str(source)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    (wheel,) = tmp_path.glob("skdeconv-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = {Path(name).name for name in archive.namelist()}
        archive.extractall(tmp_path / "site")
    assert set(WEIGHTS.values()) <= inside
    script = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise OSError('no network')\n"
        "socket.socket.connect = refuse\n"
        "import numpy as np, skdeconv\n"
        "print(skdeconv.__file__)\n"
        "X = np.random.default_rng(0).normal(100, 20, (1, 40, 40, 3)).astype('f4')\n"
        "d = skdeconv.PretrainedDenoiser(20., data_range=255.).fit(X)\n"
        "print(d.predict(X).std() < 5)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path / "site",
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": "/usr/bin:/bin"},
    )
    home, answer = run.stdout.split()
    assert Path(home).is_relative_to(tmp_path / "site")
    assert answer == "True"


def test_random_states_of_adaptation(few_batches):
    options = {"fine_tune": True, "max_epochs": 1}
    X = NOISY[:1, :32, :32]
    one, again, other = (
        denoiser(**options | {"random_state": seed}).fit(X).predict(X)
        for seed in (0, 0, 1)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_weights_are_all_that_is_taken_of_a_file(tmp_path):
    clean, noisy = CLEAN[:, :32, :32], NOISY[:, :32, :32]
    trained = DeconvRestorer(
        module__width=4,
        module__noise_map=True,
        criterion="mixed",
        criterion__weights={"l1": 1.0, "frequency": 0.1},
        optimizer="sgd",
        optimizer__momentum=0.9,
        early_stopping=True,
        validation_fraction=0.3,
        noise_std=25.0,
        patch_size=16,
        patches_per_epoch=4,
        max_epochs=1,
        data_range=255.0,
    ).fit(noisy, clean)
    path = trained.save(tmp_path / "weights.safetensors")
    options = {"weights": path, "max_epochs": 1}
    expected = trained.predict(noisy)
    restored = denoiser(**options).fit(noisy).predict(noisy)
    np.testing.assert_allclose(restored, expected, atol=0.1)
    denoiser(**options | {"fine_tune": True}).fit(noisy, clean)
    with pytest.raises(ValueError, match="cannot be passed on"):
        DeconvRestorer.load(path, optimizer="adam", optimizer__momentum=0.9).fit(
            noisy, clean
        )


def test_weights_count_beside_a_gain():
    rng = np.random.default_rng(0)
    counts = rng.poisson(CLEAN / 8).astype("f4") * 8
    restorer = denoiser(0.0, gain=8.0).fit(counts)
    whole, half = (
        restorer.predict(counts, mask=w * np.ones_like(counts)) for w in (1, 0.25)
    )
    detail = [np.abs(np.diff(x)).mean() for x in (whole, half)]
    assert detail[1] < 0.95 * detail[0]


def test_predicting_takes_no_optimiser():
    """The first one that torch makes takes it seconds."""
    code = (
        "import sys, numpy as np; from skdeconv import PretrainedDenoiser; "
        "x = np.full((1, 16, 16), 0.5, np.float32); "
        "PretrainedDenoiser(noise_std=0.1).fit(x).predict(x); "
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
