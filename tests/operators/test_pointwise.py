"""Mask, Gradient and Identity."""

import numpy as np
import pytest
import torch

from skdeconv.operators import Gradient, Identity, Mask


def test_mask_hides_pixels():
    seen = np.array([[True, False], [False, True]])
    y = Mask(seen)(torch.ones(2, 3, 2, 2))
    assert torch.equal(y[1, 2], torch.eye(2))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((3, 3)), "at least one pixel"),
        (np.full((3, 3), 2.0), "in \\[0, 1\\]"),
        (np.full((3, 3), np.nan), "in \\[0, 1\\]"),
        (np.ones((1, 1, 1, 1)), "1 to 3 axes"),
        (np.array(["a"]), "bool or numbers"),
    ],
)
def test_bad_masks(mask, message):
    with pytest.raises(ValueError, match=message):
        Mask(mask)


def test_mask_must_fit():
    with pytest.raises(ValueError, match="shape \\(3, 3\\) of the mask"):
        Mask(np.ones((3, 3)))(torch.ones(1, 1, 3, 4))


def test_gradient_is_numpy_diff():
    x = torch.rand(1, 1, 5, 6, dtype=torch.float64)
    vertical, horizontal = Gradient()(x)[0, 0]
    assert np.allclose(vertical[:-1], np.diff(x[0, 0], axis=0))
    assert np.allclose(horizontal[:, :-1], np.diff(x[0, 0], axis=1))
    assert not vertical[-1].any()
    assert not horizontal[:, -1].any()


@pytest.mark.parametrize("kind", [Gradient, Identity])
def test_bad_ndim(kind):
    with pytest.raises(ValueError, match="ndim must be 1, 2 or 3, got 4"):
        kind(4)
