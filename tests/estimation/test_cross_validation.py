import pytest
import torch

from skdeconv.estimation import cross_validate


def shrink(y, strength, state):
    """The linear smoother of a prior variance of one: y / (1 + strength)."""
    return y / (1 + strength[:, None, None, None]), ()


def draw(noise_std, n=3, size=64):
    generator = torch.Generator().manual_seed(0)
    clean = torch.randn(n, 1, size, size, generator=generator, dtype=torch.float64)
    noise = torch.randn(n, 1, size, size, generator=generator, dtype=torch.float64)
    return clean + noise_std * noise


@pytest.mark.parametrize("noise_std", [0.3, 1.0])
def test_risk_of_a_linear_smoother_is_least_where_theory_says(noise_std):
    y = draw(noise_std)
    level = torch.full((3,), noise_std, dtype=y.dtype)
    value, values, criterion = cross_validate(
        shrink, y, torch.full_like(level, 0.3), level=level, noise_std=level, rounds=6
    )
    power = y.square().flatten(1).mean(1)
    expected = level.square() / (power - level.square())
    torch.testing.assert_close(value, expected, rtol=0.05, atol=0)
    assert values.shape == criterion.shape == (3, 13)
    share = 1 / (1 + values)
    risk = power[:, None] * (1 - share) ** 2 + 2 * noise_std**2 * share
    torch.testing.assert_close(criterion, risk)


def test_cross_validation_of_a_linear_smoother():
    y = draw(0.5)

    def smooth(y, strength):
        mean = y.unfold(-1, 2, 1).mean(-1)
        share = (1 / (1 + strength))[:, None, None, None]
        return torch.cat([share * y[..., :-1] + (1 - share) * mean, y[..., -1:]], -1)

    level = torch.full((3,), 0.5, dtype=y.dtype)
    start = torch.ones_like(level)
    value, values, criterion = cross_validate(
        lambda y, strength, state: (smooth(y, strength), ()), y, start, level=level
    )
    fit = smooth(y, values[:, 2])
    share = 1 / (1 + values[:, 2])
    freedom = (63 * (share + (1 - share) / 2) + 1) / 64
    expected = (y - fit).square().flatten(1).mean(1) / (1 - freedom) ** 2
    torch.testing.assert_close(criterion[:, 2], expected, rtol=0.1, atol=0)
    assert ((value >= values[:, 0]) & (value <= values[:, -1])).all()


def test_images_choose_for_themselves_and_hidden_pixels_do_not_count():
    y = draw(0.5)
    level = torch.full((3,), 0.5, dtype=y.dtype)
    weight = torch.ones_like(y)
    weight[..., ::3] = 0
    options = {"noise_std": level, "level": level, "weight": weight}
    value, _, _ = cross_validate(shrink, y, level, **options)
    y[..., ::3] = 1e3
    again, _, _ = cross_validate(shrink, y, level, **options)
    torch.testing.assert_close(again, value)
    alone = {name: v[1:] for name, v in options.items()}
    last, _, _ = cross_validate(shrink, y[1:], level[1:], **alone)
    assert torch.equal(last, value[1:])


def test_a_constant_is_no_trouble():
    y = torch.full((1, 1, 8, 8), 3.0)
    zero = torch.zeros(1)
    value, values, criterion = cross_validate(shrink, y, zero, level=zero)
    assert value.isfinite().all()
    assert values.isfinite().all()
    assert criterion.isfinite().all()


def test_fits_go_on_from_the_best_one_so_far():
    y = draw(0.5)
    level = torch.full((3,), 0.5, dtype=y.dtype)
    origins = []

    def remember(y, strength, state):
        fit, _ = shrink(y, strength, state)
        origins.append(state)
        return fit, (y, strength)

    _, values, criterion = cross_validate(
        remember, y, level, level=level, noise_std=level, rounds=3
    )
    assert origins[0] == ()
    for data, strength in origins[1:]:
        assert torch.equal(data[:6], y.repeat(2, 1, 1, 1))  # of the fits
        assert not torch.isin(data[6:], y).any()  # and of the nudged ones
        assert torch.equal(strength[:3].repeat(4), strength)
    before = values[:, 1::2], criterion[:, 1::2]  # any
    assert before[0].shape == before[1].shape


def test_several_first_guesses_find_what_one_misses():
    y = draw(0.5)
    power = y.square().flatten(1).mean(1)
    best = 0.25 / (power - 0.25)
    options = {"level": torch.full((3,), 0.5).to(y), "rounds": 3}
    options["noise_std"] = options["level"]
    start = 1e-4 * best
    near, *_ = cross_validate(shrink, y, start, **options)
    assert (near < best / 10).all()
    far, values, criterion = cross_validate(
        shrink, y, start, first=(1.0, 1e2, 1e4, 1e6), **options
    )
    torch.testing.assert_close(far, best, rtol=0.1, atol=0)
    assert values.shape == criterion.shape == (3, 10)


def test_images_of_unknown_noise_are_cross_validated():
    y, nan = draw(0.5), float("nan")
    level = torch.full((3,), 0.5).to(y)
    start = torch.ones_like(level)

    def smooth(y, strength, state):
        share = (1 / (1 + strength))[:, None, None, None]
        return share * y + (1 - share) * y.roll(1, -1), state

    mixed = torch.tensor([0.5, nan, 0.5]).to(y)
    found = cross_validate(smooth, y, start, level=level, noise_std=mixed)
    told = cross_validate(smooth, y, start, level=level, noise_std=level)
    blind = cross_validate(smooth, y, start, level=level)
    for one, known, unknown in zip(found, told, blind, strict=True):
        torch.testing.assert_close(one[[0, 2]], known[[0, 2]])
        torch.testing.assert_close(one[1], unknown[1])


def test_a_fit_that_follows_all_data_tells_nothing():
    y = draw(0.5)
    level = torch.full((3,), 0.5).to(y)
    _, values, criterion = cross_validate(
        shrink, y, torch.full_like(level, 1e-3), level=level, rounds=2
    )
    assert criterion[values < 0.015].isinf().all()
