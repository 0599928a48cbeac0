import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skdeconv.exceptions import PSFWarning
from skdeconv.operators import airy_psf, disk_psf, gaussian_psf
from skdeconv.operators._psf import check_psf

PSFS = {
    "gaussian": gaussian_psf(1.7),
    "gaussian-narrow": gaussian_psf(0.2),
    "gaussian-1d": gaussian_psf(2, ndim=1),
    "gaussian-3d": gaussian_psf((2, 1, 0.6)),
    "disk": disk_psf(3.3),
    "disk-tiny": disk_psf(0.2),
    "interval": disk_psf(2, ndim=1),
    "ball": disk_psf(2.6, ndim=3),
    "airy": airy_psf(2.5),
    "airy-cut": airy_psf(0.7, size=1),
}


def moments(psf):
    """Centre of mass from ``size // 2``, and covariance."""
    axes = np.indices(psf.shape).reshape(psf.ndim, -1)
    axes = axes - np.array(psf.shape)[:, None] // 2
    mean = axes @ psf.ravel()
    return mean, (axes * psf.ravel()) @ axes.T - np.outer(mean, mean)


@pytest.mark.parametrize("psf", PSFS.values(), ids=PSFS.keys())
def test_is_a_centred_density(psf):
    assert psf.dtype == np.float64
    assert all(n % 2 for n in psf.shape)
    assert psf.min() >= 0
    assert_allclose(psf.sum(), 1)
    assert_allclose(moments(psf)[0], 0, atol=1e-6)


@pytest.mark.parametrize("name", ["gaussian", "disk", "ball", "airy"])
def test_is_symmetric(name):
    psf = PSFS[name]
    assert_allclose(psf, np.flip(psf), atol=1e-12)
    assert_allclose(psf, psf.T, atol=1e-12)


def test_gaussian_std_and_shape():
    psf = gaussian_psf((2.0, 1.0), truncate=5)
    assert psf.shape == (21, 11)
    assert_allclose(moments(psf)[1], np.diag([4, 1]), rtol=1e-3, atol=1e-9)
    assert gaussian_psf(np.float32(1.5), ndim=3).shape == (13, 13, 13)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_disk_variance(ndim):
    variance = 5.3**2 / (ndim + 2) + 1 / 12
    assert_allclose(
        moments(disk_psf(5.3, ndim=ndim))[1], variance * np.eye(ndim), atol=0.1
    )


def test_disk_covers_whole_pixels_evenly():
    psf = disk_psf(6)
    assert_allclose(psf[4:9, 4:9], 1 / (np.pi * 36), rtol=1e-3)


def test_airy_first_ring_is_dark():
    psf = airy_psf(10)
    profile = psf[psf.shape[0] // 2, psf.shape[1] // 2 :]
    assert np.argmin(profile[:14]) == 10
    assert profile[10] < 1e-3 * profile[0]
    y, x = np.indices(psf.shape) - psf.shape[0] // 2
    assert_allclose(psf[np.hypot(y, x) <= 10].sum(), 0.838 / 0.963, atol=0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gaussian_psf(0), "std must be a positive number, got 0"),
        (lambda: gaussian_psf((1, 2), ndim=3), "one value per axis, ndim=3"),
        (lambda: gaussian_psf(()), "std must be a float or have one value per axis"),
        (lambda: gaussian_psf(None), "std must be a number or several, got None"),
        (lambda: gaussian_psf("ab"), "std must be a positive number, got 'a'"),
        (lambda: gaussian_psf(1, truncate=np.inf), "truncate must be a positive"),
        (lambda: gaussian_psf(1, ndim=4), "ndim must be 1, 2 or 3, got 4"),
        (lambda: disk_psf(-1), "radius must be a positive number, got -1"),
        (lambda: disk_psf(1, ndim=0), "ndim must be 1, 2 or 3, got 0"),
        (lambda: airy_psf(0), "radius must be a positive number, got 0"),
        (lambda: airy_psf(2, size=4), "size must be an odd positive int or None"),
    ],
)
def test_errors_name_the_parameter(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def shaken(length=9):
    """A trace that dwells at its beginning, in the middle of its array."""
    psf = np.zeros((2 * length + 1, 2 * length + 1))
    psf[length, length - length // 2 : 2 * length] = 1
    psf[length, length - 4] = 4
    psf[length : 2 * length, 2 * length - 1] = 1
    return psf / psf.sum()


@pytest.mark.parametrize(
    ("psf", "off"),
    [
        (np.pad(gaussian_psf(1.6), ((4, 0), (0, 0))), r"\+2.0, [+-]0.0"),
        (gaussian_psf(1.6)[:, 4:], r"[+-]0.0, -1.9"),
        (np.pad(gaussian_psf(2, ndim=1), (0, 6)), r"-3.0"),
        (np.pad(shaken(), ((0, 20), (0, 0))), r"-8"),
    ],
    ids=["gaussian", "cut", "1d", "shaken-aside"],
)
def test_warns_of_a_psf_off_its_centre(psf, off):
    with pytest.warns(PSFWarning, match=off):
        check_psf(psf / psf.sum(), warn=True)


def test_the_trace_of_a_shaken_camera_may_lie_anywhere_about_its_centre():
    assert max(np.abs(moments(shaken())[0])) > 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_psf(shaken(), warn=True)
