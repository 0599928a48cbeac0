"""The embedded benchmark's parts."""

import numpy as np
import pytest

from skdeconv.benchmark import default_benchmark
from skdeconv.benchmark._default import default_restorers, default_training_images


def test_test_photographs_are_not_trained_on():
    images = default_training_images(quick=True)
    assert all(image.dtype == np.float32 for image in images)
    assert all(0 <= image.min() and image.max() <= 255 for image in images)


def test_one_method_runs():
    found = default_benchmark(quick=True, restorers=["WienerRestorer"])
    rows = {(m["degradation"], m["method"]): m for m in found.summary}
    for (degradation, method), mean in rows.items():
        if method == "WienerRestorer":
            assert mean["gain"] > 1
            assert mean["border_psnr"] > rows[degradation, "Input"]["border_psnr"]


def test_unknown_method_is_refused():
    with pytest.raises(ValueError, match="must be among"):
        default_benchmark(quick=True, restorers=["Magic"])
    assert set(default_restorers()) == set(default_restorers(quick=True))
