"""Grouping and collaborative filtering of blocks."""

from itertools import product

import numpy as np
import pytest
import torch

from skdeconv.solvers import collaborative_filter
from skdeconv.solvers._block_matching import match_blocks
from skdeconv.solvers._collaborative import (
    Stage,
    _haar,
    _haar_adjoint,
    _haar_variance,
    block_transform,
    filter_blocks,
)

STAGES = (Stage(8, 5, 2, 0.75), Stage(16, 4, 2, 0.5))


def normal(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype)


@pytest.mark.parametrize("positions", [(70,), (17, 14), (6, 7, 5), (1, 9)])
def test_groups_are_those_of_an_exhaustive_search(positions):
    ndim = len(positions)
    features = normal(2, 3, *positions)
    step = tuple(min(2, n) for n in positions)
    start = tuple(min(1, n - 1) for n in positions)
    counts = tuple(
        (n - a - 1) // s + 1 for n, a, s in zip(positions, start, step, strict=True)
    )
    radius = tuple(min(3, n - 1) for n in positions)
    index = match_blocks(
        features, start, counts, step=step, radius=radius, size=4, nearness=1e-9
    )
    assert index.shape == (4, 2 * np.prod(counts))
    vectors = features.flatten(2).mT.reshape(-1, 3)
    found = [set(column.tolist()) for column in index.T]
    expected, own = [], []
    for image in range(2):
        for i in product(*map(range, counts)):
            place = [a + s * k for a, s, k in zip(start, step, i, strict=True)]
            window = product(
                *(
                    range(max(0, p - r), min(n, p + r + 1))
                    for p, r, n in zip(place, radius, positions, strict=True)
                )
            )
            offset = image * int(np.prod(positions))
            near = [offset + int(np.ravel_multi_index(w, positions)) for w in window]
            me = offset + int(np.ravel_multi_index(place, positions))
            distance = (vectors[near] - vectors[me]).square().sum(1)
            expected.append({near[j] for j in distance.argsort()[:4]})
            own.append(me)
    order = sorted(range(len(own)), key=own.__getitem__)
    ours = sorted(range(len(own)), key=lambda k: int(index[0, k]))
    assert [own[k] for k in order] == sorted(index[0].tolist())
    assert [expected[k] for k in order] == [found[k] for k in ours]
    assert ndim == len(positions)


@pytest.mark.parametrize("kind", ["cosine", "wavelet"])
def test_transforms_start_with_the_mean_and_have_unit_rows(kind):
    for patch in ((8,), (8, 4), (5, 1), (2, 3, 4)):
        transform = block_transform(patch, kind)
        assert torch.allclose(
            transform.norm(dim=1), torch.ones(len(transform)).double()
        )
        assert transform[0].std(correction=0) < 1e-12
        assert transform[1:].sum(1).abs().max() < 1e-12
        assert torch.linalg.cond(transform) < 10
    identity = torch.eye(8, dtype=torch.float64)
    haar = _haar(identity)
    assert torch.equal(haar.T, _haar_adjoint(identity))
    assert torch.allclose(haar @ haar.T, _haar_variance(8).double().diag())


@pytest.mark.parametrize("shape", [(50,), (24, 31), (9, 10, 8)])
def test_noise_goes_structure_stays(shape):
    ramps = [torch.linspace(0, 2, n, dtype=torch.float64) for n in shape]
    clean = sum(torch.meshgrid(*ramps, indexing="ij")).round()[None, None]
    noisy = clean + 0.2 * normal(1, 1, *shape)
    restored = collaborative_filter(
        noisy, torch.tensor([0.2]), patch_size=4, stages=STAGES
    ).x
    before, after = ((x - clean).square().mean() for x in (noisy, restored))
    assert after < 0.4 * before


def test_pass_keeps_what_is_far_above_the_noise():
    x = 1e4 * normal(1, 2, 20, 17)
    for pilot in (None, x):
        y = filter_blocks(x, pilot, patch_size=4, stage=STAGES[0])
        assert torch.allclose(x, y, rtol=1e-3, atol=1)


def test_images_do_not_see_each_other():
    x = normal(3, 2, 21, 18)
    level = torch.tensor([0.5, 0.0, 1.5], dtype=torch.float64)
    together = collaborative_filter(x, level, patch_size=4, stages=STAGES).x
    assert torch.equal(together[1], x[1])
    for i in range(3):
        alone = collaborative_filter(
            x[i : i + 1], level[i : i + 1], patch_size=4, stages=STAGES
        ).x
        assert torch.allclose(alone[0], together[i], atol=1e-10)


def test_slabs_do_not_show(monkeypatch):
    x = normal(2, 1, 60, 18)
    whole = filter_blocks(x, None, patch_size=4, stage=STAGES[0])
    monkeypatch.setattr("skdeconv.solvers._collaborative.SLAB", 300)
    monkeypatch.setattr("skdeconv.solvers._collaborative.CHUNK", 3000)
    monkeypatch.setattr("skdeconv.solvers._block_matching.CHUNK", 3000)
    parts = filter_blocks(x, None, patch_size=4, stage=STAGES[0])
    assert torch.allclose(whole, parts, atol=1e-10)


@pytest.mark.parametrize("shape", [(1,), (1, 1), (1, 9), (3, 2), (2, 1, 5)])
def test_images_smaller_than_a_block(shape):
    x = normal(2, 3, *shape)
    result = collaborative_filter(x, torch.ones(2), patch_size=8, stages=STAGES)
    assert result.x.shape == x.shape
    assert result.x.isfinite().all()


def test_variance_of_coloured_noise_is_honoured():
    x = normal(1, 1, 40, 40)
    white = torch.ones(16, dtype=torch.float64)
    expected = filter_blocks(x, None, patch_size=4, stage=STAGES[0])
    same = filter_blocks(x, None, patch_size=4, stage=STAGES[0], variance=white)
    assert torch.allclose(same, expected)
    silent = filter_blocks(
        x, None, patch_size=4, stage=STAGES[0], variance=1e-9 * white
    )
    assert torch.allclose(silent, x)
