"""RichardsonLucyRestorer on photographs and counts."""

import numpy as np
import pytest

from skdeconv import Degradation, RichardsonLucyRestorer
from skdeconv.metrics import psnr
from skdeconv.operators import Blur, gaussian_psf


def test_better_than_the_input_also_at_the_border(blurred, border_gain):
    psf, observed, truth = blurred
    restorer = RichardsonLucyRestorer(psf, data_range=255).fit(observed)
    before = psnr(truth, observed, data_range=255)
    assert restorer.score(observed, truth) > before + 0.5
    assert border_gain(psf, observed, truth, restorer.predict(observed)).min() > 0


def test_many_iterations_leave_no_edge_artefact(photographs, border_gain):
    psf = gaussian_psf(1.6)
    X = np.stack([p[:140, :140] for p in photographs])
    observed, truth = Degradation([Blur(psf)]).pair(X)
    restorer = RichardsonLucyRestorer(psf, max_iter=50, data_range=255).fit(observed)
    assert border_gain(psf, observed, truth, restorer.predict(observed)).min() > 1


@pytest.mark.parametrize("acceleration", [True, False])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_counts_of_any_size(acceleration, dtype):
    rng = np.random.default_rng(0)
    counts = np.zeros((3, 40, 40), dtype=dtype)
    counts[0, 20, 20] = 60000
    counts[1, 10:14] = rng.poisson(3, (4, 40))
    restorer = RichardsonLucyRestorer(
        gaussian_psf(1.2), max_iter=60, acceleration=acceleration, data_range=65535
    )
    restored = restorer.fit(counts).predict(counts)
    assert np.isfinite(restored).all()
    assert restored.min() >= 0
    assert not restored[2].any()
    assert restored[0].max() > 0.9 * counts[0].max()


def test_negative_data_count_as_zero():
    X = np.random.default_rng(0).normal(0.2, 0.5, (2, 24, 24))
    restorer = RichardsonLucyRestorer(gaussian_psf(1), data_range=1.0).fit(X)
    assert np.allclose(restorer.predict(X), restorer.predict(X.clip(0)))


def test_tolerance_and_budget():
    X = np.random.default_rng(0).random((2, 24, 24))
    free = RichardsonLucyRestorer(gaussian_psf(1), max_iter=40).fit(X)
    tied = RichardsonLucyRestorer(gaussian_psf(1), max_iter=40, tol=0.5).fit(X)
    assert free.n_iter_ == 40
    assert not np.allclose(free.predict(X), tied.predict(X))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"psf": None}, "'psf' parameter"),
        ({"max_iter": 0}, "'max_iter' parameter"),
        ({"tol": -1}, "'tol' parameter"),
        ({"acceleration": "biggs"}, "'acceleration' parameter"),
    ],
)
def test_refused_parameters(parameters, message):
    parameters = {"psf": gaussian_psf(1)} | parameters
    with pytest.raises(ValueError, match=message):
        RichardsonLucyRestorer(**parameters).fit(np.zeros((1, 20, 20)))
