"""Ensembles: means, spreads, containers, seeds."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdeconv import DeconvRestorer, EnsembleRestorer, WienerRestorer
from skdeconv.datasets import make_dead_leaves

CLEAN = make_dead_leaves(4, shape=(24, 20), random_state=0)
NOISY = CLEAN + np.random.default_rng(0).normal(0, 0.15, CLEAN.shape).astype("f4")
NETWORK = DeconvRestorer(
    max_epochs=1,
    patches_per_epoch=16,
    patch_size=16,
    module__width=4,
    precision="float32",
)

SIGNALS = clone(NETWORK).set_params(ndim=1, data_range=1.0)


@parametrize_with_checks([EnsembleRestorer(SIGNALS, 2)])
def test_sklearn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def ensemble():
    return EnsembleRestorer(NETWORK, 3, random_state=0).fit(NOISY, CLEAN)


def test_mean_and_spread(ensemble):
    answers = [one.predict(NOISY) for one in ensemble.estimators_]
    mean, std = ensemble.predict(NOISY, return_std=True)
    assert np.allclose(mean, np.mean(answers, axis=0), atol=1e-6)
    assert np.allclose(std, np.std(answers, axis=0, ddof=1), atol=1e-6)
    assert std.min() > 0
    assert np.array_equal(ensemble.predict(NOISY), mean)
    assert mean.dtype == np.float32
    assert np.isfinite(ensemble.score(NOISY, CLEAN))


def test_lists(ensemble):
    images = [NOISY[0], NOISY[1][:11]]
    mean, std = ensemble.predict(images, return_std=True)
    assert [m.shape for m in mean] == [s.shape for s in std] == [(24, 20), (11, 20)]


def test_seeds():
    first, again = (
        EnsembleRestorer(NETWORK, 2, random_state=0).fit(NOISY, CLEAN) for _ in range(2)
    )
    assert np.allclose(again.predict(NOISY), first.predict(NOISY), atol=1e-5)
    assert NETWORK.random_state is None
    search = GridSearchCV(
        EnsembleRestorer(NETWORK, 2), {"restorer__lr": [1e-3, 1e-2]}, cv=2
    )
    assert np.isfinite(search.fit(NOISY, CLEAN).best_score_)


def test_mistakes():
    with pytest.raises(ValueError, match="'n_estimators' parameter"):
        EnsembleRestorer(NETWORK, 1).fit(NOISY, CLEAN)
    with pytest.raises(ValueError, match="must have a random_state"):
        EnsembleRestorer(WienerRestorer()).fit(NOISY)
    with pytest.raises(ValueError, match="'restorer' parameter"):
        EnsembleRestorer("network").fit(NOISY)
    with pytest.raises(NotFittedError):
        EnsembleRestorer(NETWORK).predict(NOISY)
