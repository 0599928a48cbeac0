"""The common checks: scikit-learn's on signals, ours in one to three dimensions."""

import inspect

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import skdeconv
from skdeconv import Degradation
from skdeconv.degradations import GaussianNoise
from skdeconv.operators import Blur
from skdeconv.testing import check_restorer, example_restorers, parametrize_restorers
from skdeconv.testing._operators import PSFS

SIGNALS = [
    *example_restorers(ndim=1),
    Degradation([Blur(PSFS[1]), GaussianNoise(0.1)], ndim=1),
]


@parametrize_with_checks(SIGNALS)
def test_sklearn(estimator, check):
    check(estimator)


@parametrize_restorers([r for ndim in (1, 2, 3) for r in example_restorers(ndim)])
def test_restorer(restorer, check):
    check(restorer)


def test_every_restorer_has_an_example():
    public = {
        getattr(skdeconv, name)
        for name in skdeconv.__all__
        if inspect.isclass(getattr(skdeconv, name))
        and hasattr(getattr(skdeconv, name), "predict")
    } - {skdeconv.BaseRestorer}
    assert {type(restorer) for restorer in example_restorers()} == public


def test_a_wrong_restorer_is_found_out():
    class Wrong(skdeconv.WienerRestorer):
        def _restore(self, x, noise_std=None, weight=None):
            return x.flip(-1) + 1

    with pytest.raises(AssertionError):
        check_restorer(Wrong(PSFS[2]))
