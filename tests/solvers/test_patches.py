import numpy as np
import pytest
import torch

from skdeconv.solvers._patches import (
    add_patches,
    clip_patch_size,
    extract_patches,
    sample_patches,
)

CASES = [((9,), 4), ((7, 10), 3), ((7, 10), (1, 4)), ((4, 5, 6), 2), ((3, 5), 8)]


def random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("shape", "size"), CASES)
def test_patches_are_those_of_numpy(shape, size):
    x = random(2, 3, *shape)
    size = clip_patch_size(size, shape)
    windows = np.lib.stride_tricks.sliding_window_view(
        x.numpy(), (3, *size), (1, *range(2, x.ndim))
    )
    expected = windows.reshape(2, -1, 3 * np.prod(size))
    np.testing.assert_array_equal(extract_patches(x, size, len(shape)), expected)


@pytest.mark.parametrize(("shape", "size"), CASES)
def test_adding_patches_and_their_cover_gives_the_image_back(shape, size):
    x = random(2, 3, *shape)
    patches = extract_patches(x, size, len(shape))
    cover = add_patches(torch.ones_like(patches), shape, size)
    torch.testing.assert_close(add_patches(patches, shape, size) / cover, x)


@pytest.mark.parametrize(("shape", "size"), CASES)
def test_samples_are_patches(shape, size):
    x = random(3, *shape)
    size = clip_patch_size(size, shape)
    every = extract_patches(x[:, None], size, len(shape)).flatten(0, 1)
    generator = np.random.default_rng(0)
    assert torch.equal(sample_patches(x, size, len(every), generator), every)
    some = sample_patches(x, size, max(1, len(every) // 2), generator)
    assert (torch.cdist(some, every).amin(1) < 1e-6).all()


@pytest.mark.parametrize(("shape", "size"), CASES)
def test_adding_is_the_adjoint_of_extracting(shape, size):
    x = random(2, 3, *shape)
    patches = extract_patches(x, size, len(shape))
    other = random(*patches.shape, seed=1)
    torch.testing.assert_close(
        (patches * other).sum(), (x * add_patches(other, shape, size)).sum()
    )
