"""Turns of data steps and denoisers against the same written by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from skdeconv.operators import (
    Blur,
    Downsample,
    Identity,
    Mask,
    gaussian_psf,
    motion_psf,
)
from skdeconv.solvers import _plug_and_play, plug_and_play
from skdeconv.solvers._plug_and_play import (
    BOUND,
    COUPLING,
    LOOSE,
    SETTLED,
    back_project,
    coupling_of,
    falling_levels,
)

STD = torch.tensor([0.02, 0.05], dtype=torch.float64)
LEVELS = torch.tensor([[0.2, 0.06, 0.02], [0.3, 0.12, 0.05]], dtype=torch.float64)
EACH = (..., None, None, None)


def random_images(shape, n=2, channels=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, channels, *shape, generator=generator, dtype=torch.float64)


def blur(boundary):
    psf = np.random.default_rng(0).uniform(size=(2, 3))
    return Blur.unchecked(psf / psf.sum(), boundary)


def smoothed(x, level, turn):
    """A linear denoiser that depends on the level and the turn."""
    mean = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return x + (mean - x) * level[EACH] / (turn + 1)


def run(y, operator, denoise=smoothed, levels=LEVELS, **options):
    return plug_and_play(
        y, operator, denoise, noise_std=STD[: len(y)], levels=levels, **options
    )


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_blurs_that_reverse_no_wave_are_coupled_less(ndim):
    smooth, flat = gaussian_psf(1.2, ndim=ndim), np.ones((5,) * ndim) / 5**ndim
    aside = np.roll(smooth, 1, axis=0)
    assert coupling_of(Blur(smooth)) == LOOSE < COUPLING
    for psf in (flat, np.ones((1,) * ndim), aside, motion_psf(9)):
        assert coupling_of(Blur.unchecked(psf, "reflect")) == COUPLING
    assert coupling_of(Downsample(2)) == coupling_of(Identity()) == COUPLING
    blur = Blur(smooth, "reflect")
    assert coupling_of(Mask(np.ones((9,) * ndim)) @ blur) == LOOSE


def test_denoising_by_hand():
    y = random_images((8, 9))
    z = y
    for turn, level in enumerate(LEVELS.T):
        mu = (COUPLING * (STD / level) ** 2)[EACH]
        z = smoothed((y + mu * z) / (1 + mu), level, turn)
    result = run(y, Identity())
    torch.testing.assert_close(result.x, z)
    assert result.n_iter == 3
    assert result.converged.shape == (2, 2)
    assert result.converged.all()


@pytest.mark.parametrize("n_turns", [1, 3])
def test_deblurring_by_hand(n_turns):
    operator, y = blur("periodic"), random_images((8, 9))
    basis = torch.eye(72, dtype=y.dtype).reshape(72, 1, 8, 9)
    A = operator(basis).flatten(1).T
    z = operator.adjoint(y)
    for turn, level in enumerate(LEVELS.T[:n_turns]):
        mu = coupling_of(operator) * (STD / level) ** 2
        system = A.T @ A + mu[:, None, None, None] * torch.eye(72, dtype=y.dtype)
        force = y.flatten(2) @ A + mu[:, None, None] * z.flatten(2)
        x = torch.linalg.solve(system, force[..., None]).reshape(z.shape)
        z = smoothed(x, level, turn)
    result = run(y, operator, levels=LEVELS[:, :n_turns])
    torch.testing.assert_close(result.x, z, rtol=0, atol=1e-8)
    assert result.n_iter == n_turns


def test_the_denoiser_is_told_levels_and_turns():
    told = []

    def denoise(x, level, turn):
        told.append((tuple(x.shape), level, turn))
        return x

    run(random_images((6, 7)), blur("extended"), denoise)
    shapes, levels, turns = zip(*told, strict=True)
    assert set(shapes) == {(2, 2, 7, 9)}
    assert torch.equal(torch.stack(levels, 1), LEVELS)
    assert turns == (0, 1, 2)


def explode(x, level, turn):
    return 1e6 * x


def break_down(x, level, turn):
    return torch.full_like(x, torch.nan)


def overflow(x, level, turn):
    return torch.where(x > x.mean(), torch.inf, x)


@pytest.mark.parametrize("denoise", [explode, break_down, overflow])
@pytest.mark.parametrize(
    "operator", [Identity(), blur("extended"), blur("reflect"), Downsample(2)], ids=repr
)
def test_what_a_denoiser_breaks_is_bounded(operator, denoise):
    y = random_images((8, 10))
    result = run(y, operator, denoise)
    assert result.x.isfinite().all()
    assert result.x.abs().max() < 20
    assert not result.converged.any()


def test_one_broken_image_leaves_others_alone():
    def denoise(x, level, turn):
        answer = smoothed(x, level, turn)
        answer[0] = torch.nan if turn == 1 else answer[0]
        return answer

    y, operator = random_images((8, 9)), blur("extended")
    result, whole = run(y, operator, denoise), run(y, operator)
    assert torch.equal(result.x[1], whole.x[1])
    assert result.converged.tolist() == [[False, False], [True, True]]


@pytest.mark.parametrize("factor", [0.1, 0.99, 1.01, 50.0])
def test_changes_are_cut_to_the_bound(factor):
    y = random_images((8, 9))
    level = LEVELS[:, :1]
    change = torch.ones_like(y)
    change[..., ::2, :] = -1  # of root mean square 1

    def denoise(x, level, turn):
        return x + factor * BOUND * level[EACH] * change

    result = run(y, Identity(), denoise, level)
    expected = y + min(factor, 1) * BOUND * level[..., None, None] * change
    torch.testing.assert_close(result.x, expected)
    assert (result.converged == (factor * BOUND < SETTLED)).all()


OPERATORS = {
    "identity": Identity(),
    "extended": blur("extended"),
    "periodic": blur("periodic"),
    "reflect": blur("reflect"),
    "coarse": Downsample(2),
    "coarse blur": Downsample(2) @ blur("extended"),
}


@pytest.mark.parametrize("garbage", [1e3, torch.nan, torch.inf])
@pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)
def test_pixels_of_weight_0_have_no_influence(operator, garbage):
    y = random_images((8, 9))
    weight = (random_images((8, 9), seed=1) > 0.3).double()
    dirty = torch.where(weight > 0, y, garbage)
    clean, other = (run(v, operator, weight=weight).x for v in (y, dirty))
    assert torch.equal(clean, other)
    assert not torch.allclose(clean, run(y, operator).x)


@pytest.mark.parametrize("garbage", [1e3, torch.nan])
def test_pixels_that_a_mask_hides_have_no_influence(garbage):
    seen = np.random.default_rng(1).random((8, 9)) > 0.3
    y = random_images((8, 9))
    dirty = torch.where(torch.from_numpy(seen), y, garbage)
    for operator in (Mask(seen), Mask(seen) @ blur("extended")):
        assert torch.equal(run(y, operator).x, run(dirty, operator).x)


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)
def test_flat_data_give_flat_scenes(operator):
    y = torch.full((2, 2, 8, 10), 0.7, dtype=torch.float64)
    weight = (random_images((8, 10), seed=1) > 0.3).double()
    scene, _ = back_project(y, operator, weight)
    assert scene.shape[2:] == operator.input_shape((8, 10))
    torch.testing.assert_close(scene, torch.full_like(scene, 0.7))
    result = run(y, operator, weight=weight)
    torch.testing.assert_close(result.x, torch.full_like(scene, 0.7))


def test_holes_are_filled_before_the_first_step():
    y = torch.arange(10, dtype=torch.float64).expand(1, 1, 10)
    weight = torch.ones_like(y).index_fill(2, torch.tensor([4, 9]), 0)
    scene, _ = back_project(y, Identity(1), weight)
    torch.testing.assert_close(scene[0, 0, :9], y[0, 0, :9])
    assert scene[0, 0, 9] == 8
    blind, seen = back_project(y, Identity(1), torch.zeros_like(y))
    assert torch.equal(blind, torch.zeros_like(y))
    assert not seen.any()


def test_what_is_known_spreads_faster_into_holes(monkeypatch):
    """Averages of neighbours fill a hole the better the farther they are followed."""

    def average(x, level, turn):
        for _ in range(2):  # once has negative eigenvalues, as no denoiser
            x = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return x

    ramp = torch.linspace(0, 1, 15, dtype=torch.float64).expand(2, 1, 15, 15)
    wave = ramp + 0.5 * torch.sin(6 * ramp.mT)
    weight = torch.ones_like(wave)
    weight[..., 3:12, 3:12] = 0
    levels = torch.full((2, 30), 0.5, dtype=torch.float64)
    options = {"noise_std": 0 * STD + 1e-6, "levels": levels, "weight": weight}
    few = plug_and_play(wave, Identity(2), average, **options).x
    monkeypatch.setattr(_plug_and_play, "RELAXATION", 1.0)
    plain = plug_and_play(wave, Identity(2), average, **options).x
    options["levels"] = levels.repeat(1, 20)
    many = plug_and_play(wave, Identity(2), average, **options).x
    assert (few - many).abs().max() < 0.5 * (plain - many).abs().max()


@pytest.mark.parametrize("n_turns", [1, 2, 5])
def test_the_last_level_is_that_of_the_noise(n_turns):
    levels = falling_levels(STD, n_turns, random_images((8, 9)))
    assert levels.shape == (2, n_turns)
    torch.testing.assert_close(levels[:, -1], STD)
