import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skdeconv.operators import motion_psf


def moments(psf):
    """Centre of mass from ``size // 2``, and covariance."""
    axes = np.indices(psf.shape).reshape(psf.ndim, -1)
    axes = axes - np.array(psf.shape)[:, None] // 2
    mean = axes @ psf.ravel()
    return mean, (axes * psf.ravel()) @ axes.T - np.outer(mean, mean)


@pytest.mark.parametrize("length", [0.1, 1, 9, 40.5])
@pytest.mark.parametrize("angle", [0, 30, 90, 200])
@pytest.mark.parametrize("shake", [0, 0.5, 4])
def test_is_a_centred_density(length, angle, shake):
    psf = motion_psf(length, angle, shake=shake, random_state=0)
    assert psf.dtype == np.float64
    assert all(n % 2 for n in psf.shape)
    assert psf.min() >= 0
    assert_allclose(psf.sum(), 1)
    assert_allclose(moments(psf)[0], 0, atol=1e-6)


@pytest.mark.parametrize("angle", [0, 30, 45, 90, -60, 180])
def test_line_variance(angle):
    _, covariance = moments(motion_psf(20, angle))
    along = np.array([-np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))])
    across = along[::-1] * [1, -1]
    assert_allclose(along @ covariance @ along, 20**2 / 12, atol=0.3)
    assert_allclose(across @ covariance @ across, 0, atol=0.3)


def test_angle_is_counter_clockwise():
    assert motion_psf(8).shape[0] == motion_psf(8, 180).shape[0] == 1
    assert motion_psf(8, 90).shape[1] == 1
    psf = motion_psf(8, 45)
    assert psf[0, -1] > 0
    assert psf[0, 0] == 0


def test_shake_is_reproducible():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first = motion_psf(25, shake=1, random_state=0)
    assert_array_equal(first, motion_psf(25, shake=1, random_state=0))
    assert not np.array_equal(first, motion_psf(25, shake=1, random_state=1))
    for make in (np.random.RandomState, np.random.default_rng):
        assert_array_equal(
            motion_psf(25, shake=1, random_state=make(0)),
            motion_psf(25, shake=1, random_state=make(0)),
        )
    motion_psf(25, shake=1)
    assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_shake_grows_from_the_line():
    line = motion_psf(15, 20)
    nearly = motion_psf(15, 20, shake=1e-9, random_state=0)
    assert_allclose(nearly, line, atol=1e-6)
    for seed in range(20):
        shape = motion_psf(15, 20, shake=5, random_state=seed).shape
        assert max(shape) <= 2 * 15 + 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: motion_psf(np.nan), "length must be a positive number"),
        (lambda: motion_psf(5, "up"), "angle must be a finite number, got 'up'"),
        (
            lambda: motion_psf(5, shake=-1),
            "shake must be a finite, not negative number",
        ),
        (lambda: motion_psf(5, shake=1, random_state="x"), "random_state must be"),
        (lambda: motion_psf(5, shake=1, random_state=-1), "random_state must be"),
    ],
)
def test_errors_name_the_parameter(call, message):
    with pytest.raises(ValueError, match=message):
        call()
