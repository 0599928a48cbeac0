import socket

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skdeconv.datasets import load_photographs


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a photograph was looked for on the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


@pytest.mark.parametrize(("color", "n_train", "n_test"), [(False, 9, 5), (True, 6, 3)])
def test_split(color, n_train, n_test):
    train = load_photographs(color=color)
    test = load_photographs("test", color=color)
    everything = load_photographs("all", color=color)
    assert (len(train.images), len(test.images)) == (n_train, n_test)
    assert not set(train.names) & set(test.names)
    assert everything.names == train.names + test.names
    for image in everything.images:
        assert image.dtype == np.uint8
        assert image.ndim == (3 if color else 2)
        assert min(image.shape[:2]) >= 300
        assert image.std() > 15


def test_documented_sizes():
    documented = {
        row[0]: (int(row[1]), int(row[3]))
        for row in map(str.split, load_photographs.__doc__.splitlines())
        if len(row) == 7 and row[2] == "x"
    }
    loaded = load_photographs("all")
    assert documented == {
        name: image.shape
        for name, image in zip(loaded.names, loaded.images, strict=True)
    }


def test_grey_is_luma():
    grey = load_photographs("test").images[0]
    color = load_photographs("test", color=True).images[0]
    luma = color @ np.array([0.2125, 0.7154, 0.0721])
    assert abs(grey - luma).max() <= 0.5 + 1e-9


def test_images_are_fresh_copies():
    first = load_photographs("test").images[1]
    first[:] = 0
    assert load_photographs("test").images[1].any()
    assert_array_equal(*[load_photographs("test").images[2] for _ in range(2)])


@pytest.mark.parametrize("subset", ["valid", None, 3, ["train"]])
def test_unknown_subset(subset):
    with pytest.raises(ValueError, match="subset must be 'train', 'test' or 'all'"):
        load_photographs(subset)
