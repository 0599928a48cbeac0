"""Statistics of mixed noise and outliers."""

import numpy as np
import pytest
import torch

from skdeconv import Degradation
from skdeconv.degradations import PoissonGaussianNoise, SaltAndPepperNoise


def seeded():
    return torch.Generator().manual_seed(0)


def test_variance_of_mixed_noise():
    noise = PoissonGaussianNoise(gain=0.1, std=0.4)
    for level in (0.0, 1.0, 5.0):
        noisy = noise(torch.full((1, 1, 400, 400), level), seeded())
        assert float(noisy.mean()) == pytest.approx(level, abs=0.01)
        assert float(noisy.var()) == pytest.approx(0.1 * level + 0.16, rel=0.03)


def test_fractions_of_salt_and_pepper():
    grey = torch.full((1, 2, 300, 300), 100.0, dtype=torch.float64)
    noisy = SaltAndPepperNoise(0.2, data_range=255)(grey, seeded())
    assert noisy.dtype == grey.dtype
    for value, share in ((0, 0.1), (255, 0.1), (100, 0.8)):
        assert float((noisy == value).double().mean()) == pytest.approx(share, abs=0.01)
    assert not torch.equal(noisy[:, 0], noisy[:, 1])
    assert (grey == 100).all()


@pytest.mark.parametrize("fraction", [0, 1])
def test_none_or_all(fraction):
    noisy = SaltAndPepperNoise(fraction)(torch.full((1, 1, 50, 50), 0.5), seeded())
    assert (noisy == 0.5).all() if fraction == 0 else (noisy != 0.5).all()


def test_generator_decides():
    X = np.full((2, 20, 20), 0.5)
    steps = [PoissonGaussianNoise(0.1, 0.1), SaltAndPepperNoise(0.1)]
    first, second = (Degradation(steps, random_state=0).pair(X)[0] for _ in range(2))
    assert np.array_equal(first, second)
    other = Degradation(steps, random_state=1).pair(X)[0]
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PoissonGaussianNoise(0, 1), "gain must be a positive"),
        (lambda: PoissonGaussianNoise(1, -1), "std must be a non-negative"),
        (lambda: SaltAndPepperNoise(1.5), r"fraction must be a number in \[0, 1\]"),
        (lambda: SaltAndPepperNoise("a"), "fraction must be a number"),
        (
            lambda: SaltAndPepperNoise(0.1, data_range=0),
            "data_range must be a",
        ),
    ],
)
def test_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_repr():
    assert repr(PoissonGaussianNoise(0.1, 2)) == "PoissonGaussianNoise(gain=0.1, std=2)"
    assert "fraction=0.1, data_range=255" in repr(SaltAndPepperNoise(0.1, 255))
