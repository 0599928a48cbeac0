"""PlugAndPlayRestorer on photographs."""

import pickle

import numpy as np
import pytest
import sklearn
import torch
from scipy.ndimage import gaussian_filter, zoom
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from skdeconv import (
    BilateralRestorer,
    BlockMatchingRestorer,
    DeconvRestorer,
    Degradation,
    LeastSquaresRestorer,
    MedianRestorer,
    NonLocalMeansRestorer,
    PlugAndPlayRestorer,
    PretrainedDenoiser,
    RichardsonLucyRestorer,
    TotalVariationRestorer,
    UnrolledRestorer,
    WaveletRestorer,
    WienerRestorer,
)
from skdeconv.datasets import load_photographs
from skdeconv.degradations import GaussianNoise
from skdeconv.exceptions import PSFWarning
from skdeconv.hybrid._denoisers import denoised
from skdeconv.metrics import psnr
from skdeconv.neural._weights import load_denoiser
from skdeconv.operators import (
    Blur,
    Downsample,
    LinearOperator,
    Mask,
    gaussian_psf,
    motion_psf,
)
from skdeconv.solvers import _plug_and_play

STD = 2.55
PSF = motion_psf(9, angle=30)
PSFS = [gaussian_psf(1.0), PSF, motion_psf(7, angle=120)]
PHOTOGRAPHS = load_photographs("test").images
CLEAN = PHOTOGRAPHS[1][None, 100:196, 200:296].astype(np.float32)
OBSERVED, TRUTH = Degradation([Blur(PSF), GaussianNoise(STD)], random_state=0).pair(
    CLEAN
)

DENOISERS = [
    BilateralRestorer(),
    LeastSquaresRestorer(),
    NonLocalMeansRestorer(search_radius=3),
    WienerRestorer(),
]

# Small ones, for what is no matter of quality.
SMALL = np.stack([OBSERVED[0, i : i + 34, i : i + 31] for i in (0, 20, 40)])
SHARP = np.stack([TRUTH[0, i : i + 34, i : i + 31] for i in (0, 20, 40)])
BEFORE = psnr(TRUTH, OBSERVED, data_range=255)


def plug_and_play(psf=PSF, operator=None, **parameters):
    defaults = {"noise_std": STD, "max_iter": 2, "data_range": 255.0}
    return PlugAndPlayRestorer(psf, operator, **defaults | parameters)


def network(**parameters):
    defaults = {
        "module__noise_map": True,
        "module__width": 4,
        "module__n_blocks": 1,
        "degradation": Degradation([GaussianNoise((0, 50))], random_state=0),
        "patches_per_epoch": 32,
        "patch_size": 16,
        "max_epochs": 1,
        "data_range": 255.0,
        "precision": "float32",
        "random_state": 0,
    }
    return DeconvRestorer(**defaults | parameters)


@pytest.fixture(scope="module")
def trained():
    """The network of the package, of images in [0, 1]; do not refit it."""
    return load_denoiser(None, 1, "denoiser", precision="float32")


def test_it_deblurs_better_than_the_wiener_filter():
    linear = WienerRestorer(PSF, data_range=255).fit(OBSERVED).score(OBSERVED, TRUTH)
    restorer = plug_and_play(max_iter=8).fit(OBSERVED)
    assert linear > BEFORE + 3
    assert restorer.score(OBSERVED, TRUTH) > linear + 2
    assert restorer.n_iter_ == 8
    assert isinstance(restorer.denoiser_, PretrainedDenoiser)
    few = plug_and_play(max_iter=3).fit(OBSERVED).score(OBSERVED, TRUTH)
    assert restorer.score(OBSERVED, TRUTH) > few + 0.5


def test_denoisers_that_are_told_levels_measure_none(monkeypatch):
    def measure(*args, **kwargs):
        raise AssertionError("nobody needs this level")

    monkeypatch.setattr("skdeconv.restorers._denoiser.automatic_noise", measure)
    for denoiser in (None, PretrainedDenoiser(fine_tune=False), WaveletRestorer()):
        restorer = PlugAndPlayRestorer(PSF, denoiser=denoiser, data_range=255)
        assert restorer.fit(OBSERVED).noise_std_ == pytest.approx(STD, rel=0.2)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize(
    ("denoiser", "gain"),
    [
        (BlockMatchingRestorer(search_radius=6), 5),
        (TotalVariationRestorer(max_iter=30), 4),
        (WaveletRestorer(), 3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_denoisers(denoiser, gain, frozen):
    if frozen:
        denoiser = clone(denoiser).set_params(data_range=255).fit(OBSERVED)
        denoiser = FrozenEstimator(denoiser)
    before = denoiser.get_params()
    restorer = plug_and_play(denoiser=denoiser, max_iter=4).fit(OBSERVED)
    assert restorer.score(OBSERVED, TRUTH) > BEFORE + gain
    assert (restorer.denoiser_ is getattr(denoiser, "estimator", None)) == frozen
    assert denoiser.get_params() == before


def test_a_frozen_denoiser_of_another_range():
    inside = plug_and_play(denoiser=PretrainedDenoiser()).fit(SMALL)
    other = PretrainedDenoiser(data_range=1.0).fit(SMALL / 255)
    restorer = plug_and_play(denoiser=FrozenEstimator(other)).fit(SMALL)
    expected = inside.predict(SMALL)
    np.testing.assert_allclose(restorer.predict(SMALL), expected, atol=1e-2)


def test_a_trained_network(trained):
    before = trained.predict(SHARP / 255)
    restorer = plug_and_play(denoiser=trained, max_iter=4).fit(OBSERVED)
    assert restorer.denoiser_ is trained
    assert restorer.score(OBSERVED, TRUTH) > BEFORE + 6
    np.testing.assert_array_equal(trained.predict(SHARP / 255), before)
    frozen = plug_and_play(denoiser=FrozenEstimator(trained), max_iter=4).fit(OBSERVED)
    assert frozen.denoiser_ is trained
    np.testing.assert_array_equal(frozen.predict(OBSERVED), restorer.predict(OBSERVED))


def test_an_untrained_network_learns_from_y():
    raw = network(max_epochs=4)
    restorer = plug_and_play(denoiser=raw).fit(SMALL, SHARP)
    assert restorer.denoiser_ is not raw
    assert not hasattr(raw, "net_")
    alone = clone(raw).fit(SHARP)
    levels = torch.full((3,), 30.0)
    x = torch.from_numpy(SMALL)[:, None]
    answers = [n._restore(x, noise_std=levels) for n in (alone, restorer.denoiser_)]
    torch.testing.assert_close(*answers)


@pytest.mark.parametrize("denoiser", DENOISERS, ids=lambda d: type(d).__name__)
def test_whatever_has_a_noise_level_serves(denoiser):
    restorer = plug_and_play(denoiser=denoiser, max_iter=4).fit(OBSERVED)
    assert restorer.score(OBSERVED, TRUTH) > BEFORE + 3
    x = torch.from_numpy(OBSERVED)[:, None]
    weak, strong = (
        denoised(restorer.denoiser_, x, torch.tensor([level]), 255.0)
        for level in (5.0, 40.0)
    )
    assert (weak - x).abs().mean() < (strong - x).abs().mean()


def test_clones_keep_what_was_trained(trained):
    restorer = plug_and_play(denoiser=trained).fit(SMALL)
    twin = clone(restorer)
    assert twin.denoiser is trained
    assert not hasattr(twin, "denoiser_")
    answer = twin.fit(SMALL).predict(SMALL)
    np.testing.assert_array_equal(answer, restorer.predict(SMALL))
    untrained = plug_and_play(denoiser=TotalVariationRestorer())
    assert clone(untrained).denoiser is not untrained.denoiser


@pytest.mark.parametrize("kind", ["default", "classical", "network"])
def test_pickles(kind, trained):
    denoisers = {"classical": TotalVariationRestorer(), "network": trained}
    restorer = plug_and_play(denoiser=denoisers.get(kind)).fit(SMALL)
    again = pickle.loads(pickle.dumps(restorer))
    np.testing.assert_array_equal(again.predict(SMALL), restorer.predict(SMALL))


@pytest.mark.parametrize("factor", [2, 3])
def test_super_resolution(factor):
    rng = np.random.default_rng(0)
    operator = Downsample(factor)
    coarse = Degradation([operator]).fit(CLEAN).transform(CLEAN)
    coarse += rng.normal(0, 1, coarse.shape).astype(np.float32)
    restorer = plug_and_play(None, operator, noise_std=1.0, max_iter=4).fit(coarse)
    fine = restorer.predict(coarse)
    assert fine.shape == CLEAN.shape
    cubic = zoom(coarse[0], factor, order=3, mode="reflect", grid_mode=True)[None]
    gain = 0.8 if factor == 2 else 0.3
    assert psnr(CLEAN, fine, data_range=255) > psnr(CLEAN, cubic, data_range=255) + gain
    assert restorer.score(coarse, CLEAN) == pytest.approx(
        psnr(CLEAN, fine, data_range=255)
    )


@pytest.mark.parametrize("psf", [None, PSF])
def test_inpainting(psf):
    rng = np.random.default_rng(0)
    seen = rng.random((96, 96)) > 0.4
    observed, truth = CLEAN + rng.normal(0, 2, CLEAN.shape).astype(np.float32), CLEAN
    if psf is not None:
        observed, truth = OBSERVED, TRUTH
        seen = seen[: truth.shape[1], : truth.shape[2]]
    dirty = np.where(seen, observed, 1000)  # as if it were saturated
    restorer = plug_and_play(psf, max_iter=6).fit(dirty, mask=seen[None])
    restored = restorer.predict(dirty, mask=seen[None])
    assert psnr(truth, restored, data_range=255) > 26
    assert restorer.score(dirty, truth, mask=seen[None]) > 26
    dark = np.where(seen, observed, 0)
    np.testing.assert_array_equal(restorer.predict(dark, mask=seen[None]), restored)
    operator = Mask(seen) if psf is None else Mask(seen) @ Blur(psf, "extended")
    masked = plug_and_play(None, operator, max_iter=6).fit(dirty)
    np.testing.assert_allclose(masked.predict(dirty), restored, atol=1e-3)


@pytest.mark.parametrize("boundary", ["extended", "periodic", "reflect"])
def test_an_operator_does_what_its_psf_does(boundary):
    options = {"noise_std": 40.0}  # as far as the crops are from periodic ones
    expected = plug_and_play(boundary=boundary, **options).fit(SMALL).predict(SMALL)
    operator = Blur(PSF, boundary)
    restored = plug_and_play(None, operator, **options).fit(SMALL).predict(SMALL)
    np.testing.assert_array_equal(restored, expected)
    assert restored.shape == SMALL.shape


def alone(X, psfs, **parameters):
    return [
        plug_and_play(psf, **parameters).fit(x[None]).predict(x[None])[0]
        for x, psf in zip(X, psfs, strict=True)
    ]


def test_a_psf_for_each_image():
    restorer = plug_and_play().fit(SMALL)
    expected = alone(SMALL, PSFS)
    for psf in (PSFS, tuple(PSFS), np.array([*PSFS, None], dtype=object)[:3]):
        restored = restorer.predict(SMALL, psf=psf)
        assert isinstance(restored, np.ndarray)
        np.testing.assert_allclose(restored, expected, atol=1e-3)
    np.testing.assert_array_equal(restorer.psf_, PSF)
    everyone = restorer.predict(SMALL, psf=PSFS[2])
    np.testing.assert_allclose(everyone, alone(SMALL, [PSFS[2]] * 3), atol=1e-3)
    stacked = np.stack([PSFS[0][1:8, 1:8], np.eye(7) / 7, PSFS[0][1:8, 1:8]])
    stacked /= stacked.sum((1, 2), keepdims=True)
    restored = restorer.predict(SMALL, psf=stacked)
    np.testing.assert_allclose(restored, alone(SMALL, stacked), atol=1e-3)
    np.testing.assert_array_equal(
        restorer.transform(SMALL, psf=PSFS), restorer.predict(SMALL, psf=PSFS)
    )
    np.testing.assert_array_equal(
        plug_and_play().fit_transform(SMALL, psf=PSFS),
        restorer.predict(SMALL, psf=PSFS),
    )
    score = psnr(SHARP, restorer.predict(SMALL, psf=PSFS), data_range=255)
    assert restorer.score(SMALL, SHARP, psf=PSFS) == pytest.approx(score)


def test_a_psf_for_each_image_of_a_list_with_masks():
    images = [SMALL[0], SMALL[1, :30, :28], SMALL[2]]
    masks = [
        np.random.default_rng(i).random(x.shape) > 0.2 for i, x in enumerate(images)
    ]
    psfs = [PSFS[0], PSFS[1], PSFS[0]]
    restorer = plug_and_play().fit(images, mask=masks)
    restored = restorer.predict(images, mask=masks, psf=psfs)
    assert isinstance(restored, list)
    for x, mask, psf, answer in zip(images, masks, psfs, restored, strict=True):
        one = plug_and_play(psf).fit(x[None]).predict(x[None], mask=mask[None])
        np.testing.assert_allclose(answer, one[0], atol=1e-3)


def test_psfs_are_routed():
    with sklearn.config_context(enable_metadata_routing=True):
        restorer = plug_and_play()
        restorer.set_fit_request(mask=False)
        restorer.set_predict_request(psf=True, mask=False)
        restorer.set_transform_request(psf=True, mask=False)
        median = MedianRestorer(data_range=255).set_fit_request(mask=False)
        median.set_transform_request(mask=False).set_predict_request(mask=False)
        last = make_pipeline(median, restorer).fit(SMALL)
        answer = last.predict(SMALL, psf=PSFS)
        first = make_pipeline(restorer, median)
        other = first.fit(SMALL).predict(SMALL, psf=PSFS)
    smooth = MedianRestorer(data_range=255).fit(SMALL)
    expected = alone(smooth.predict(SMALL), PSFS)
    np.testing.assert_allclose(answer, expected, atol=1e-3)
    expected = smooth.predict(np.stack(alone(SMALL, PSFS)))
    np.testing.assert_allclose(other, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("psf", "message"),
    [
        (PSFS[:2], r"one for each, got 2 for 3 image\(s\)"),
        ([*PSFS, PSF], "got 4 for 3"),
        ([], "psf must"),
        (np.ones(3) / 3, "psf must have 2 axes, as the one given .* got 1 axes"),
        (np.ones((3, 3, 3, 1)) / 9, "got 4 axes"),
        ([PSF, np.ones(3) / 3, PSF], r"psf\[1\] must have 2 axes, .* got 1"),
        ([PSF, -PSF, PSF], "psf must be non-negative"),
        (
            [PSF, np.full((60, 60), 1 / 3600), PSF],
            r"larger than the images, got \(60, 60\)",
        ),
        ("sharp", "psf must"),
        (3.0, "psf must"),
    ],
)
def test_refused_psfs(psf, message):
    restorer = plug_and_play().fit(SMALL)
    with pytest.raises(ValueError, match=message):
        restorer.predict(SMALL, psf=psf)


def test_a_psf_needs_one_at_construction():
    restorer = plug_and_play(None).fit(SMALL)
    with pytest.raises(ValueError, match="was given no psf"):
        restorer.predict(SMALL, psf=PSFS)
    restorer = plug_and_play(None, Blur(PSF)).fit(SMALL)
    with pytest.raises(ValueError, match="was given operator"):
        restorer.predict(SMALL, psf=PSFS)
    restorer = plug_and_play().fit(SMALL)
    with pytest.warns(PSFWarning, match="sums to 2"):
        doubled = restorer.predict(SMALL, psf=2 * PSF)
    np.testing.assert_array_equal(doubled, restorer.predict(SMALL))


def test_the_noise_level_is_found():
    restorer = plug_and_play(noise_std="auto", max_iter=8).fit(OBSERVED)
    assert restorer.noise_std_.shape == (1,)
    assert 0.5 * STD < restorer.noise_std_[0] < 2 * STD
    known = plug_and_play(max_iter=8).fit(OBSERVED)
    score = known.score(OBSERVED, TRUTH)
    assert restorer.score(OBSERVED, TRUTH) > score - 0.5
    assert known.noise_std_ == STD
    pairs = plug_and_play(noise_std="auto").fit(OBSERVED, TRUTH)
    assert pairs.noise_std_ == pytest.approx(STD, rel=0.1)
    operator = plug_and_play(None, Blur(PSF, "extended"), noise_std="auto", max_iter=8)
    score = restorer.score(OBSERVED, TRUTH)
    assert operator.fit(OBSERVED).score(OBSERVED, TRUTH) == pytest.approx(score)


def test_no_noise():
    restorer = plug_and_play(None, noise_std=0.0, max_iter=4).fit(SHARP)
    assert psnr(SHARP, restorer.predict(SHARP), data_range=255) > 55


@pytest.mark.parametrize("denoiser", [None, TotalVariationRestorer(max_iter=30)])
@pytest.mark.parametrize(
    ("dtype", "span"),
    [("uint8", 255), ("uint16", 65535), ("float64", 1.0), ("float32", 1000.0)],
)
def test_units(dtype, span, denoiser):
    counts = np.round(SMALL).clip(0, 255)
    expected = plug_and_play(denoiser=denoiser).fit(counts).predict(counts)
    X = (counts / 255 * span).astype(dtype)
    data_range = None if np.issubdtype(dtype, np.integer) else span
    restorer = plug_and_play(
        denoiser=denoiser, noise_std=STD / 255 * span, data_range=data_range
    ).fit(X)
    assert restorer.data_range_ == span
    np.testing.assert_allclose(restorer.predict(X) / span, expected / 255, atol=2e-4)


def test_clip():
    X = SMALL - SMALL.mean()
    restorer = plug_and_play(denoiser=TotalVariationRestorer(max_iter=30)).fit(X)
    wild = restorer.predict(X)
    assert wild.min() < 0
    clipped = restorer.set_params(clip=True).fit(X).predict(X)
    np.testing.assert_array_equal(clipped, wild.clip(0, 255))


@pytest.mark.parametrize("n_channels", [2, 3])
@pytest.mark.parametrize("denoiser", [None, TotalVariationRestorer(max_iter=30)])
def test_colour(denoiser, n_channels):
    colours = np.stack([SMALL, SMALL[:, ::-1], 255 - SMALL], axis=-1)[..., :n_channels]
    restorer = plug_and_play(denoiser=denoiser).fit(colours)
    restored = restorer.predict(colours)
    assert restored.shape == colours.shape
    grey = np.repeat(SMALL[..., None], n_channels, -1)
    restored = restorer.fit(grey).predict(grey)
    truth = np.repeat(SHARP[..., None], n_channels, -1)
    gain = psnr(truth, restored, data_range=255) - psnr(truth, grey, data_range=255)
    assert gain > 1.5
    if denoiser is None and n_channels == 2:  # each alone
        single = plug_and_play().fit(SMALL).predict(SMALL)[..., None]
        np.testing.assert_allclose(restored - single, 0, atol=1e-2)


def test_a_denoiser_of_one_channel_serves_colours():
    colours = np.stack([SMALL, 255 - SMALL, SMALL / 2], axis=-1)
    grey = WaveletRestorer(data_range=255).fit(SMALL)
    restorer = plug_and_play(denoiser=FrozenEstimator(grey)).fit(colours)
    restored = restorer.predict(colours)
    for c in range(3):
        X = colours[..., c]
        one = plug_and_play(denoiser=FrozenEstimator(grey)).fit(X).predict(X)
        np.testing.assert_allclose(restored[..., c], one, atol=1e-3)


@pytest.mark.parametrize("ndim", [1, 3])
def test_signals_and_volumes(ndim):
    psf = np.full((3,) * ndim, 3.0**-ndim)
    X = np.random.default_rng(0).uniform(0, 255, (2, *(40, 14, 13)[:ndim]))
    X = gaussian_filter(X, (0, *(1.5,) * ndim))
    restored = plug_and_play(psf, denoiser=TotalVariationRestorer()).fit(X).predict(X)
    assert restored.shape == X.shape
    assert np.isfinite(restored).all()


@pytest.mark.parametrize(
    ("denoiser", "message"),
    [
        (MedianRestorer(), "denoiser must be a restorer that has a noise_std, got Med"),
        (RichardsonLucyRestorer(PSF), "denoiser must be a restorer that has a noise"),
        (
            BlockMatchingRestorer(PSF),
            "denoiser must only denoise, got Block.* with psf=",
        ),
        (
            PlugAndPlayRestorer(operator=Downsample(2)),
            "only denoise, got Plug.* with operator=",
        ),
        (network(degradation=None), "denoiser is a DeconvRestorer that was not"),
        (network(), "denoiser is a DeconvRestorer .* learns from clean images"),
        (FrozenEstimator(TotalVariationRestorer()), "denoiser is frozen, but not"),
        (FrozenEstimator(Degradation([])), "denoiser must be a restorer, got a frozen"),
        ("bm3d", "'denoiser' parameter"),
        (BlockMatchingRestorer, "'denoiser' parameter"),
    ],
)
def test_refused_denoisers(denoiser, message):
    with pytest.raises(ValueError, match=message):
        plug_and_play(denoiser=denoiser).fit(SMALL)


def test_refused_trained_denoisers(trained):
    deaf = network(module__noise_map=False).fit(SHARP, SHARP)
    for denoiser in (deaf, FrozenEstimator(deaf)):
        with pytest.raises(ValueError, match="denoiser must be told the noise level"):
            plug_and_play(denoiser=denoiser).fit(SMALL)
    signal = TotalVariationRestorer(ndim=1, data_range=255).fit(SMALL[:, 0])
    with pytest.raises(ValueError, match="denoiser must be one for 2 spatial axes"):
        plug_and_play(denoiser=FrozenEstimator(signal)).fit(SMALL)
    two = TotalVariationRestorer(data_range=255).fit(np.stack([SMALL] * 2, -1))
    with pytest.raises(ValueError, match=r"denoiser must .* with 3 channel\(s\)"):
        plug_and_play(denoiser=FrozenEstimator(two)).fit(np.stack([SMALL] * 3, -1))
    blurred = UnrolledRestorer(PSF)
    with pytest.raises(ValueError, match="denoiser"):
        plug_and_play(denoiser=blurred).fit(SMALL)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"max_iter": 0}, "'max_iter' parameter"),
        ({"noise_std": -1.0}, "'noise_std' parameter"),
        ({"boundary": "zero"}, "'boundary' parameter"),
        ({"operator": Downsample(2)}, "psf and operator exclude each other"),
    ],
)
def test_refused_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        plug_and_play(**parameters).fit(SMALL)


class Wild(TotalVariationRestorer):
    """One that goes much too far."""

    def _restore(self, x, noise_std=None, weight=None):
        return -5 * x


def test_a_denoiser_that_goes_too_far():
    restorer = plug_and_play(denoiser=Wild()).fit(SMALL)
    with pytest.warns(ConvergenceWarning, match="did not settle") as caught:
        restored = restorer.predict(SMALL)
    assert len(caught) == 1
    assert np.abs(restored).max() < 10 * 255


@pytest.mark.filterwarnings("ignore:psf does not fit the data")
def test_turns_that_do_not_settle_are_told_of():
    """A PSF that is much too wide."""
    blurred = Degradation([Blur(gaussian_psf(0.7))]).pair(CLEAN)[0]
    wide = PlugAndPlayRestorer(gaussian_psf(2.5), noise_std=0.3, data_range=255)
    wide.fit(blurred)
    with pytest.warns(ConvergenceWarning, match="does not explain what the psf"):
        held = wide.predict(blurred)
    assert np.abs(held).max() < 800  # 1400 if only changes by the denoiser told
    assert wide.noise_std_ == 0.3


def test_images_of_mean_0():
    restorer = PlugAndPlayRestorer(PSF, noise_std=STD, data_range=255)
    usual = restorer.fit(OBSERVED).score(OBSERVED, TRUTH)
    moved = restorer.fit(OBSERVED - 128).score(OBSERVED - 128, TRUTH - 128)
    assert moved > usual - 0.2


def test_nothing_to_undo_is_left_to_the_denoiser():
    noisy = CLEAN + np.random.default_rng(0).normal(0, 25, CLEAN.shape)
    alone = PretrainedDenoiser(25.0, data_range=255).fit(noisy).predict(noisy)
    ours = PlugAndPlayRestorer(noise_std=25.0, data_range=255).fit(noisy)
    assert np.allclose(ours.predict(noisy), alone, atol=1e-3)


def test_missing_pixels_of_a_kernel_with_negative_lobes():
    halve = Downsample(2)
    truth = CLEAN
    coarse = Degradation([halve]).fit_transform(truth)
    seen = np.random.default_rng(0).random(coarse.shape[1:]) > 0.5
    operator = Mask(seen) @ halve
    restorer = PlugAndPlayRestorer(operator=operator, noise_std=1.0, data_range=255)
    restored = restorer.fit(coarse * seen).predict(coarse * seen)
    assert restored.min() > -64
    assert restored.max() < 320
    assert psnr(truth, restored, data_range=255) > 22


def test_intensities_that_use_little_of_their_range():
    wide = plug_and_play(max_iter=8).fit(SMALL).predict(SMALL)
    narrow = plug_and_play(max_iter=8, data_range=65535).fit(SMALL)
    gains = [
        psnr(SHARP, answer, data_range=255) for answer in (wide, narrow.predict(SMALL))
    ]
    assert gains[1] > gains[0] - 0.5


def test_a_denoiser_of_counted_photons_is_refused():
    with pytest.raises(ValueError, match="only denoise, got PretrainedDenoiser with g"):
        plug_and_play(denoiser=PretrainedDenoiser(0.0, gain=2.0)).fit(SMALL)


@pytest.mark.parametrize("level", [0.0, 51.0, 255.0])
@pytest.mark.parametrize(
    "blind", [{"psf": gaussian_psf(1.5)}, {"operator": Downsample(2)}]
)
def test_constant_images_stay_what_they_are(blind, level):
    flat = np.full((1, 24, 24), level, np.float32)
    restored = PlugAndPlayRestorer(**blind, data_range=255).fit(flat).predict(flat)
    assert np.abs(restored - level).max() < 1e-3


class Amplifier(LinearOperator):
    ndim = 2

    def __init__(self, gain):
        self.gain = gain

    def __call__(self, x):
        return self.gain * x

    adjoint = __call__

    def norm(self, input_shape):
        return self.gain


@pytest.mark.parametrize("gain", [0.5, 30.0])
@pytest.mark.parametrize("told", [False, True])
def test_operators_may_amplify(gain, told):
    clean = load_photographs("test").images[1][None, 100:164, 200:264] / 255
    noise = 0.02 * np.random.default_rng(0).standard_normal(clean.shape)
    restorer = PlugAndPlayRestorer(
        operator=Amplifier(gain),
        noise_std=0.02 * gain if told else "auto",
        data_range=1.0,
    )
    restored = restorer.fit(gain * (clean + noise)).predict(gain * (clean + noise))
    assert (
        psnr(clean, restored, data_range=1)
        > psnr(clean, clean + noise, data_range=1) + 2
    )


def test_turns_are_those_of_fit():
    X = CLEAN[:, :32, :32] / 255
    restorer = PlugAndPlayRestorer(gaussian_psf(1.0), max_iter=5, noise_std=0.1).fit(X)
    expected = restorer.predict(X)
    for other in (2, 9):
        assert np.array_equal(restorer.set_params(max_iter=other).predict(X), expected)


def test_wide_smooth_blurs_are_coupled_less():
    psf = gaussian_psf(1.6)
    clean = load_photographs("test").images[1][None, 100:228, 200:328]
    degrade = Degradation([Blur(psf), GaussianNoise(2.55)], random_state=0)
    blurred, sharp = degrade.pair(clean)
    restorer = PlugAndPlayRestorer(psf, noise_std=2.55, data_range=255).fit(blurred)
    score = restorer.score(blurred, sharp)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_plug_and_play, "coupling_of", lambda operator: 0.23)
        assert score > restorer.score(blurred, sharp) + 0.1
