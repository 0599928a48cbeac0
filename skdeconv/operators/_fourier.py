"""Real Fourier transforms over the spatial axes of a batch."""

import numpy as np
import scipy.fft
import torch
from scipy.fft import next_fast_len
from torch import Tensor

# From this many values on, SciPy's transforms are faster than torch's on a CPU; most
# of all the inverse one, which torch gives a copy of the spectrum.
LARGE = 2**22

# Rows that are transformed at a time where spectra lie in the place of images.
SLAB = 256


def spatial_axes(ndim: int) -> tuple[int, ...]:
    """Axes of a ``(batch, channels, *spatial)`` tensor that are spatial."""
    return tuple(range(-ndim, 0))


def fast_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Smallest shape, no smaller than `shape`, that transforms fast."""
    *lead, last = map(int, shape)  # only the last axis sees real numbers
    return (*map(next_fast_len, lead), next_fast_len(last, real=True))


def fft(x: Tensor, shape: tuple[int, ...], *, overwrite: bool = False) -> Tensor:
    """Real transform over the last ``len(shape)`` axes, zero-padded to `shape`.

    With `overwrite`, what :func:`ifft` gave with `overwrite` is lost, and its memory
    taken for the spectrum.
    """
    axes = spatial_axes(len(shape))
    if overwrite and _has_room(x, shape):
        return _in_place(x, shape)
    if not _goes_to_scipy(x, x.numel()):
        return torch.fft.rfftn(x, s=shape, dim=axes)
    workers = torch.get_num_threads()
    return torch.from_numpy(scipy.fft.rfftn(x.numpy(), shape, axes, workers=workers))


def ifft(
    spectrum: Tensor, shape: tuple[int, ...], *, overwrite: bool = False
) -> Tensor:
    """Inverse of :func:`fft`.

    With `overwrite`, the spectrum is lost; where it is large, its memory is taken for
    the answer, whose rows then have room between them.
    """
    axes = spatial_axes(len(shape))
    if not _goes_to_scipy(spectrum, 2 * spectrum.numel()):
        return torch.fft.irfftn(spectrum, s=shape, dim=axes)
    values, workers = spectrum.numpy(), torch.get_num_threads()
    if len(axes) > 1:
        values = scipy.fft.ifftn(
            values, axes=axes[:-1], overwrite_x=overwrite, workers=workers
        )
    if overwrite and spectrum.is_contiguous():
        values = torch.from_numpy(values)
        x = _room(values)[..., : shape[-1]]
        for rows, answer in zip(_slabs(values), _slabs(x), strict=True):
            part = scipy.fft.irfft(rows.numpy(), shape[-1], workers=workers)
            answer.copy_(torch.from_numpy(part))
        return x
    return torch.from_numpy(scipy.fft.irfft(values, shape[-1], workers=workers))


def _in_place(x, shape):
    """Transform what lies in memory as :func:`ifft` leaves it."""
    axes, workers = spatial_axes(len(shape)), torch.get_num_threads()
    room = x.as_strided((*x.shape[:-1], 2 * (shape[-1] // 2 + 1)), x.stride())
    spectrum = torch.view_as_complex(room.unflatten(-1, (-1, 2)))
    for rows, answer in zip(_slabs(x), _slabs(spectrum), strict=True):
        answer.copy_(torch.from_numpy(scipy.fft.rfft(rows.numpy(), workers=workers)))
    values = spectrum.numpy()
    if len(axes) > 1:
        values = scipy.fft.fftn(
            values, axes=axes[:-1], overwrite_x=True, workers=workers
        )
    return torch.from_numpy(values)


def _has_room(x, shape):
    """Whether real numbers lie in memory as in the place of their spectrum."""
    room = 2 * (shape[-1] // 2 + 1)
    stride = torch.empty(*x.shape[:-1], room, device="meta").stride()
    return (
        tuple(x.shape[-len(shape) :]) == tuple(shape)
        and x.stride() == stride
        and x.storage_offset() == 0
        and _goes_to_scipy(x, x.numel())
    )


def _room(spectrum):
    """The memory of a spectrum as real numbers."""
    return torch.view_as_real(spectrum).flatten(-2)


def _slabs(x):
    """Parts of some rows each."""
    return x.flatten(0, -2).split(SLAB)


def _goes_to_scipy(x, size):
    return size >= LARGE and x.device.type == "cpu" and not x.requires_grad


def transfer_function(
    psf: np.ndarray, shape: tuple[int, ...], *, device=None, dtype=torch.float32
) -> Tensor:
    """Transform of a PSF whose centre ``size // 2`` is moved to the origin.

    A PSF larger than `shape` wraps around, as periodic convolution demands. The sum is
    taken in float64 whatever the dtype asked for.
    """
    kernel = np.zeros(shape)
    index = np.ix_(
        *[(np.arange(k) - k // 2) % n for k, n in zip(psf.shape, shape, strict=True)]
    )
    np.add.at(kernel, index, psf)
    spectrum = fft(torch.from_numpy(kernel).to(device), shape)
    return spectrum.to(torch.complex128 if dtype == torch.float64 else torch.complex64)


def _waves(shape, device):
    """Frequencies along each axis in cycles per pixel, shaped for :func:`fft`."""
    for axis, n in zip(spatial_axes(len(shape)), shape, strict=True):
        frequencies = torch.fft.rfftfreq if axis == -1 else torch.fft.fftfreq
        wave = frequencies(n, dtype=torch.float64, device=device)
        yield wave.reshape(-1, *(1,) * (-axis - 1))


def radial_frequency(shape: tuple[int, ...], *, device=None, dtype=torch.float32):
    """Distance from zero frequency, in cycles per pixel, shaped for :func:`fft`."""
    return sum(wave**2 for wave in _waves(shape, device)).sqrt().to(dtype)


def gradient_power(shape: tuple[int, ...], *, device=None, dtype=torch.float32):
    """Squared spectrum of periodic differences, shaped for :func:`fft`."""
    parts = (4 * torch.sin(torch.pi * wave) ** 2 for wave in _waves(shape, device))
    return sum(parts).to(dtype)


def laplacian_power(shape: tuple[int, ...], *, device=None, dtype=torch.float32):
    """Squared spectrum of the Laplacian, shaped for :func:`fft`."""
    return gradient_power(shape, device=device, dtype=torch.float64).square().to(dtype)
