"""MedianRestorer with and without masks."""

import numpy as np
import pytest
from scipy import ndimage

from skdeconv import MedianRestorer


def test_equals_scipy_on_stacks_and_colours():
    X = np.random.default_rng(0).random((2, 12, 13, 3))
    restored = MedianRestorer(size=5).fit(X).predict(X)
    expected = ndimage.median_filter(X, (1, 5, 5, 1), mode="reflect")
    assert np.array_equal(restored, expected)


def test_marked_outliers_do_no_harm(photographs):
    clean = photographs[0]
    dead = np.random.default_rng(0).random(clean.shape) < 0.4
    X = np.where(dead, 0, clean)[None]
    restorer = MedianRestorer(data_range=255).fit(X, mask=~dead[None])
    blind = restorer.score(X, clean[None])
    assert restorer.score(X, clean[None], mask=~dead[None]) > blind + 3


@pytest.mark.parametrize("size", [0, 2.5, "3"])
def test_refused_sizes(size):
    with pytest.raises(ValueError, match="'size' parameter"):
        MedianRestorer(size).fit(np.zeros((1, 9, 9)))
