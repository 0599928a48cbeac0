"""An optimiser with orthogonal steps."""

import pickle

import numpy as np
import pytest
import torch

from skdeconv import DeconvRestorer
from skdeconv.datasets import make_dead_leaves
from skdeconv.neural import Muon
from skdeconv.neural._muon import orthogonalise


@pytest.mark.parametrize("shape", [(8, 8), (5, 40), (40, 5), (1, 9)])
def test_singular_values_are_near_one(shape):
    generator = torch.Generator().manual_seed(0)
    values = torch.linalg.svdvals(
        orthogonalise(torch.randn(shape, generator=generator))
    )
    assert values.min() > 0.3
    assert values.max() < 1.3


def test_directions_are_kept():
    u, _, v = torch.linalg.svd(torch.randn(6, 9, generator=torch.manual_seed(0)), False)
    matrix = u @ torch.diag(torch.linspace(1, 2, 6)) @ v
    answer = orthogonalise(matrix)
    assert (
        torch.nn.functional.cosine_similarity(
            answer.flatten(), (u @ v).flatten(), dim=0
        )
        > 0.97
    )


def test_a_gradient_of_zeros_moves_nothing():
    layer = torch.nn.Conv2d(2, 3, 3)
    before = [p.clone() for p in layer.parameters()]
    (0 * layer(torch.ones(1, 2, 5, 5))).sum().backward()
    Muon(layer.parameters(), lr=1.0).step()
    for old, new in zip(before, layer.parameters(), strict=True):
        torch.testing.assert_close(new, old)


def test_kernels_and_offsets_are_learned():
    torch.manual_seed(0)
    teacher, student = torch.nn.Conv2d(2, 3, 3), torch.nn.Conv2d(2, 3, 3)
    optimizer = Muon(student.parameters(), lr=0.02)
    for step in range(300):
        for group in optimizer.param_groups:
            group["lr"] = 0.02 * (1 - step / 300)
        x = torch.randn(4, 2, 8, 8)
        loss = optimizer.step(lambda x=x: _loss(student, teacher, x))
    assert loss < 1e-3


def _loss(student, teacher, x):
    student.zero_grad()
    loss = (student(x) - teacher(x)).square().mean()
    loss.backward()
    return loss


def test_decay_shrinks_what_has_no_gradient_of_its_own():
    parameter = torch.nn.Parameter(torch.ones(3, 3))
    parameter.grad = torch.zeros(3, 3)
    Muon([parameter], lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(parameter.detach(), torch.full((3, 3), 0.95))


def test_the_state_can_be_kept():
    layer = torch.nn.Linear(4, 4)
    optimizer = Muon(layer.parameters())
    layer(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    kept = pickle.loads(pickle.dumps(optimizer.state_dict()))
    other = Muon(layer.parameters())
    other.load_state_dict(kept)
    assert other.state_dict()["state"].keys() == kept["state"].keys()


@pytest.mark.parametrize(
    "wrong", [{"lr": -1}, {"momentum": 1.0}, {"weight_decay": -1}, {"n_steps": 0}]
)
def test_wrong_values(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        Muon([torch.nn.Parameter(torch.ones(2, 2))], **wrong)


def test_it_learns_more_from_few_steps_than_adam():
    clean = make_dead_leaves(8, shape=(64, 64), random_state=0)
    noisy = clean + np.random.default_rng(0).normal(0, 0.1, clean.shape).astype("f4")
    scores = {}
    for name in ("adam", "muon"):
        restorer = DeconvRestorer(
            optimizer=name,
            lr=2e-3,
            max_grad_norm=None,
            max_epochs=6,
            module__width=16,
            patches_per_epoch=128,
            patch_size=32,
            batch_size=8,
            random_state=0,
        )
        scores[name] = restorer.fit(noisy[:6], clean[:6]).score(noisy[6:], clean[6:])
    assert scores["muon"] > scores["adam"] + 0.1
