"""Training: averages, schedules, accumulation, checkpoints, what goes together."""

from threading import Thread

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback, LRScheduler
from torch import nn

from skdeconv import DeconvRestorer, Degradation, MedianRestorer
from skdeconv.datasets import make_dead_leaves
from skdeconv.degradations import GaussianNoise
from skdeconv.networks import UNet
from skdeconv.neural._keeping import fingerprint
from skdeconv.neural._schedule import LearningRate
from skdeconv.operators import Blur, Downsample

CLEAN = make_dead_leaves(4, shape=(24, 20), random_state=0)
NOISY = CLEAN + np.random.default_rng(0).normal(0, 0.15, CLEAN.shape).astype("f4")


def small(**parameters):
    defaults = {
        "module__width": 4,
        "module__n_blocks": 1,
        "max_epochs": 2,
        "patches_per_epoch": 16,
        "batch_size": 4,
        "patch_size": 16,
        "random_state": 0,
        "precision": "float32",
    }
    return DeconvRestorer(**defaults | parameters)


def weights(restorer):
    return torch.cat([p.detach().flatten() for p in restorer.net_.module_.parameters()])


class Killed(Exception):
    pass


class Kill(Callback):
    """End training as a power cut would, in the middle of an epoch."""

    def on_batch_end(self, net, training=False, **kwargs):
        if len(net.history) == 4 and len(net.history[-1, "batches"]) == 2:
            raise Killed


LONG = {
    "max_epochs": 6,
    "validation_fraction": 0.3,
    "ema_decay": 0.9,
    "lr_schedule": "plateau",
    "early_stopping": True,
    "module__dropout": 0.2,
    "degradation": Degradation([GaussianNoise((0.0, 0.2))]),
}


def test_a_checkpoint_resumes_exactly(tmp_path):
    path = tmp_path / "training.pt"
    straight = small(**LONG).fit(CLEAN)
    killed = small(**LONG, checkpoint=path, callbacks=[("kill", Kill())])
    with pytest.raises(Killed):
        killed.fit(CLEAN)
    resumed = small(**LONG, checkpoint=path).fit(CLEAN)
    assert torch.equal(weights(straight), weights(resumed))
    for name in ("train_loss", "valid_psnr", "lr"):
        assert straight.history_[:, name] == resumed.history_[:, name]
    again = small(**LONG, checkpoint=str(path)).fit(CLEAN)
    assert again.n_iter_ == 6
    assert torch.equal(weights(again), weights(straight))


def test_a_checkpoint_keeps_what_is_held_out(tmp_path):
    path = tmp_path / "training.pt"
    options = LONG | {"random_state": None, "early_stopping": False}
    clean = make_dead_leaves(24, shape=(8, 8), random_state=0)
    seen = []

    class Watch(Callback):
        def on_train_begin(self, net, **kwargs):
            seen.append(dict(net.callbacks_)["validation"].indices)

    killed = small(**options, checkpoint=path, callbacks=[Watch(), ("kill", Kill())])
    with pytest.raises(Killed):
        killed.fit(clean)
    resumed = small(**options, checkpoint=path, callbacks=[Watch()]).fit(clean)
    assert resumed.n_iter_ == options["max_epochs"]
    assert len(seen[0]) == 7
    assert np.array_equal(*seen)


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    path = tmp_path / "training.pt"
    small(checkpoint=path).fit(NOISY, CLEAN)
    with pytest.raises(ValueError, match="of another training, of other lr"):
        small(checkpoint=path, lr=0.1).fit(NOISY, CLEAN)
    with pytest.raises(ValueError, match="of other data"):
        small(checkpoint=path).fit(NOISY[:3], CLEAN[:3])
    other = NOISY.copy()
    other[-1] = 0.5
    for pair in ((other, CLEAN), (NOISY, other)):
        with pytest.raises(ValueError, match="of other data"):
            small(checkpoint=path).fit(*pair)
    with pytest.raises(ValueError, match="of other data"):
        small(checkpoint=path).fit(NOISY, CLEAN, mask=other >= 0.5)
    whole = path.read_bytes()
    for place in range(0, len(whole), len(whole) // 20):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ValueError, match="damaged"):
            small(checkpoint=path).fit(NOISY, CLEAN)
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match="damaged"):
        small(checkpoint=path).fit(NOISY, CLEAN)
    path.write_bytes(whole[:-100])
    with pytest.raises(ValueError, match="damaged"):
        small(checkpoint=path).fit(NOISY, CLEAN)
    path.write_bytes(b"hello")
    with pytest.raises(ValueError, match="damaged"):
        small(checkpoint=path).fit(NOISY, CLEAN)
    with pytest.raises(FileNotFoundError):
        small(checkpoint=tmp_path / "nowhere" / "training.pt").fit(NOISY, CLEAN)


def test_a_checkpoint_knows_large_arrays_and_functions(tmp_path):
    # Of arrays of more than 1000 numbers, what is printed is the rim.
    path, psf = tmp_path / "training.pt", np.full((41, 41), 41.0**-2)
    other = psf.copy()
    other[20, 20:22] += -1e-4, 1e-4
    options = {"checkpoint": path, "supervision": "noise2void", "patch_size": 48}
    images = np.tile(NOISY, (1, 3, 3))
    for again in (psf, psf.copy()):
        small(psf=again, **options).fit(images)
    with pytest.raises(ValueError, match="of other psf"):
        small(psf=other, **options).fit(images)
    words = [fingerprint(v) for v in (psf, other, torch.ones(3), np.ones(3), np.exp)]
    assert len(set(words)) == 5
    assert "0x" not in fingerprint(test_the_model_is_the_average_of_the_weights)


class Weighted(nn.Module):
    """A criterion that is trained, too."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, prediction, target):
        error = (prediction - target).square().mean()
        return self.weight.exp() * error - 0.01 * self.weight


def test_a_criterion_resumes_too(tmp_path):
    options = {"criterion": Weighted, "max_epochs": 6}
    straight = small(**options).fit(NOISY, CLEAN)
    options["checkpoint"] = tmp_path / "training.pt"
    with pytest.raises(Killed):
        small(**options, callbacks=[("kill", Kill())]).fit(NOISY, CLEAN)
    resumed = small(**options).fit(NOISY, CLEAN)
    assert torch.equal(weights(straight), weights(resumed))
    assert straight.net_.criterion_.weight == resumed.net_.criterion_.weight


class Empty(UNet):
    """A network that says it has no length, as compiled ones do."""

    def __len__(self):
        raise TypeError


def test_averages_of_any_module():
    options = {"ema_decay": 0.9, "validation_fraction": 0.3, "early_stopping": True}
    a, b = (small(module=m, **options).fit(NOISY, CLEAN) for m in (Empty, UNet))
    assert torch.equal(weights(a), weights(b))


def test_rates_of_the_user_are_kept():
    step = LRScheduler("StepLR", step_size=1, gamma=0.1)
    restorer = small(lr_schedule="constant", lr=1e-2, callbacks=[step], max_epochs=3)
    rates = restorer.fit(NOISY, CLEAN).history_[:, "lr"]
    assert rates == pytest.approx([1e-2, 1e-3, 1e-4])
    groups = [("head*", {"lr": 1e-5})]
    restorer = small(lr_schedule="constant", lr=1e-2, optimizer__param_groups=groups)
    found = restorer.fit(NOISY, CLEAN).net_.optimizer_.param_groups
    assert [group["lr"] for group in found] == pytest.approx([1e-5, 1e-2])
    restorer.set_params(lr=2e-2).partial_fit(NOISY, CLEAN)
    assert [group["lr"] for group in found] == pytest.approx([2e-5, 2e-2])


def test_the_model_is_the_average_of_the_weights():
    class Record(Callback):
        def on_train_begin(self, net, **kwargs):
            self.weights_ = []

        def on_batch_end(self, net, training=False, **kwargs):
            flat = torch.cat([p.detach().flatten() for p in net.module_.parameters()])
            self.weights_.append(flat.clone())

    options = {"ema_decay": 0.7, "callbacks": [("record", Record())]}
    restorer = small(**options).fit(NOISY, CLEAN)
    recorded = dict(restorer.net_.callbacks_)["record"].weights_
    start = small(max_epochs=1, lr=1e-30).fit(NOISY, CLEAN)
    average = weights(start)
    for step, new in enumerate(recorded, 1):
        decay = min(0.7, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * new
    assert torch.allclose(average, weights(restorer), atol=1e-6)
    assert restorer.net_.averaged_ is None


def test_accumulated_batches_make_one_step():
    whole = small(batch_size=8).fit(NOISY, CLEAN)
    parts = small(batch_size=2, accumulation_steps=4).fit(NOISY, CLEAN)
    assert torch.allclose(weights(whole), weights(parts), atol=1e-5)
    assert not torch.allclose(
        weights(whole), weights(small(batch_size=2).fit(NOISY, CLEAN)), atol=1e-5
    )


def test_gradients_are_shortened():
    class Norms(Callback):
        def on_train_begin(self, net, **kwargs):
            self.norms_ = []

        def on_batch_end(self, net, training=False, **kwargs):
            squares = [p.grad.square().sum() for p in net.module_.parameters()]
            self.norms_.append(float(torch.stack(squares).sum().sqrt()))

    def norms(**options):
        restorer = small(callbacks=[("norms", Norms())], **options).fit(NOISY, CLEAN)
        return dict(restorer.net_.callbacks_)["norms"].norms_

    assert min(norms()) > 1e-3
    assert max(norms(max_grad_norm=1e-3)) == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_schedules(schedule):
    rate = LearningRate(schedule, 1000)
    factors = [rate._factor(step / 1000) for step in range(1000)]
    assert max(factors) == pytest.approx(1, abs=1e-3)
    peak = int(np.argmax(factors))
    assert peak == pytest.approx({"cosine": 50, "one_cycle": 300}[schedule], abs=2)
    assert np.all(np.diff(factors[:peak]) >= 0)
    assert np.all(np.diff(factors[peak:]) <= 0)
    assert factors[-1] < 0.006


def test_a_plateau_halves_the_rate():
    restorer = small(lr=1e-12, lr_schedule="plateau", max_epochs=16, patch_size=4)
    rates = restorer.fit(NOISY, NOISY).history_[:, "lr"]
    assert rates[0] == 1e-12
    assert rates[-1] <= 0.5e-12


def test_noise_levels_reach_the_network():
    degradation = Degradation([GaussianNoise((0.0, 0.4))])
    options = {"module__noise_map": True, "max_epochs": 1}
    restorer = small(degradation=degradation, **options).fit(CLEAN)
    quiet, loud, automatic = (
        restorer.set_params(noise_std=std).predict(NOISY) for std in (0.01, 0.4, "auto")
    )
    for a, b in [(quiet, loud), (quiet, automatic), (loud, automatic)]:
        assert np.abs(a - b).max() > 1e-4
    with pytest.raises(ValueError, match="noise_std must be non-negative"):
        restorer.set_params(noise_std=-1).predict(NOISY)
    pairs = small(**options).fit(NOISY, CLEAN)
    assert np.isfinite(pairs.predict(NOISY)).all()


def test_noise_levels_are_those_of_the_patches():
    levels = []

    class Look(Callback):
        def on_batch_begin(self, net, batch=None, training=False, **kwargs):
            (x, level), y = batch
            levels.append((level, (x - y).flatten(1).std(dim=1)))

    small(
        module__noise_map=True,
        degradation=Degradation([GaussianNoise((10.0, 50.0))]),
        callbacks=[("look", Look())],
    ).fit((255 * CLEAN).astype(np.uint8))
    told, true = (torch.cat(parts) for parts in zip(*levels, strict=True))
    assert torch.allclose(told, true, rtol=1e-3)
    assert told.min() > 5 / 255
    assert told.max() < 60 / 255
    assert told.std() > 5 / 255


def test_finer_pixels():
    coarse = CLEAN[:, :24:2, ::2]
    restorer = small(upscale=2, patch_size=8).fit(coarse, CLEAN)
    assert restorer.predict(coarse).shape == CLEAN.shape
    assert np.isfinite(restorer.score(coarse, CLEAN))
    made = small(upscale=2, degradation=Degradation([Downsample(2)])).fit(CLEAN)
    assert made.predict(coarse).shape == CLEAN.shape
    plain = small(upscale=2, module="conv_transpose")
    plain._kwargs = {}
    assert plain.fit(coarse, CLEAN).predict(coarse).shape == CLEAN.shape
    with pytest.raises(ValueError, match="y must have the shape"):
        small(upscale=3).fit(coarse, CLEAN)
    with pytest.raises(ValueError, match="2 times coarser, but the network refines"):
        small(degradation=Degradation([Downsample(2)])).fit(CLEAN)
    with pytest.raises(ValueError, match="at least 3 pixels"):
        small(upscale=3, degradation=Degradation([Downsample(3)])).fit(CLEAN[:, :2])


def test_a_step_of_the_same_size_before_finer_pixels():
    coarse = CLEAN[:, :24:2, ::2]
    network = small(upscale=2, patch_size=8)
    alone = clone(network).fit(MedianRestorer().fit_transform(coarse), CLEAN)
    both = make_pipeline(MedianRestorer(), network).fit(coarse, CLEAN)
    assert np.array_equal(
        both.predict(coarse), alone.predict(MedianRestorer().fit_transform(coarse))
    )
    assert np.isfinite(both.score(coarse, CLEAN))
    # A network that learns from y must not do without it, nor take X for clean.
    noise = Degradation([GaussianNoise(0.1)])
    for first in (small(), small(degradation=noise)):
        with pytest.raises(ValueError, match="upscale=2 refines"):
            make_pipeline(first, network).fit(coarse, CLEAN)
    itself = small(supervision="noise2void", patch_size=8, validation_fraction=0.5)
    both = make_pipeline(itself, network).fit(coarse, CLEAN)
    assert "valid_psnr" not in both[0].history_[-1]
    assert both.predict(coarse).shape == CLEAN.shape


def test_patches_of_pairs_of_two_sizes_belong_together():
    seen = []

    class Look(Callback):
        def on_batch_begin(self, net, batch=None, training=False, **kwargs):
            seen.append(batch)

    fine = np.random.default_rng(0).random((3, 26, 22)).astype("f4")
    coarse = fine.reshape(3, 13, 2, 11, 2).mean(axis=(2, 4))
    small(upscale=2, patch_size=5, callbacks=[("look", Look())]).fit(coarse, fine)
    for x, y in seen:
        assert x.shape[2:] == (5, 5)
        assert torch.allclose(x, torch.nn.functional.avg_pool2d(y, 2), atol=1e-6)


def test_missing_pixels():
    mask = np.random.default_rng(1).random(CLEAN.shape) > 0.5
    holes = np.where(mask, CLEAN, 0)
    restorer = small(module__width=8, patches_per_epoch=200, lr=5e-3, max_epochs=4)
    restorer.fit(holes, CLEAN, mask=mask)
    other = np.where(mask, CLEAN, 0.7)
    restored = restorer.predict(holes, mask=mask)
    assert np.allclose(restored, restorer.predict(other, mask=mask), atol=1e-5)
    assert restorer.score(holes, CLEAN, mask=mask) > 20
    assert restorer.predict(holes).shape == CLEAN.shape
    one = small().fit(holes, CLEAN, mask=mask).predict(holes, mask=mask)
    plain = small().fit(NOISY, CLEAN)
    with pytest.raises(ValueError, match="fitted without a mask"):
        plain.predict(NOISY, mask=mask)
    for images in (holes, other):
        # What lies under the mask is not looked at.
        twin = small().fit(images, CLEAN, mask=mask)
        assert np.array_equal(twin.predict(holes, mask=mask), one)
    with pytest.raises(ValueError, match="mask belongs to degraded images"):
        small(degradation=Degradation([GaussianNoise(0.1)])).fit(CLEAN, mask=mask)
    with pytest.raises(ValueError, match="mask'\\] changed"):
        small(warm_start=True).fit(holes, CLEAN, mask=mask).fit(holes, CLEAN)


def test_self_ensemble_is_the_mean_over_turned_images():
    restorer = small().fit(NOISY, CLEAN)
    one = restorer.predict(NOISY)
    turned = []
    for flip in (False, True):
        for k in range(4):
            image = np.rot90(NOISY, k, axes=(1, 2))
            image = image[:, ::-1] if flip else image
            back = restorer.predict(image)
            back = back[:, ::-1] if flip else back
            turned.append(np.rot90(back, -k, axes=(1, 2)))
    mean = restorer.set_params(self_ensemble=True).predict(NOISY)
    assert np.allclose(mean, np.mean(turned, axis=0), atol=1e-5)
    assert not np.allclose(mean, one, atol=1e-5)


@pytest.mark.parametrize("container", ["stack", "list"])
def test_the_spread_of_predictions(container):
    X = NOISY if container == "stack" else list(NOISY)
    restorer = small(module__dropout=0.3, n_draws=8).fit(X, X)
    mean, std = restorer.predict(X, return_std=True)
    assert np.shape(mean) == np.shape(std) == NOISY.shape
    assert np.min(std) >= 0
    assert np.max(std) > 0
    again = restorer.predict(X, return_std=True)
    assert np.array_equal(again[1], std)
    alone = restorer.predict(X[2:3], return_std=True)
    for part, whole in zip(alone, (mean, std), strict=True):
        assert np.allclose(part[0], whole[2], atol=1e-6)
    assert not restorer.net_.module_.training
    assert not any(m.training for m in restorer.net_.module_.modules())
    with pytest.raises(ValueError, match=r"fit with module__dropout=0\.1"):
        small().fit(X, X).predict(X, return_std=True)
    plain = DeconvRestorer("dncnn", max_epochs=1, patches_per_epoch=1).fit(X, X)
    with pytest.raises(ValueError, match="or an EnsembleRestorer"):
        plain.predict(X, return_std=True)
    with pytest.raises(ValueError, match="'n_draws' parameter"):
        restorer.set_params(n_draws=1).predict(X, return_std=True)


def test_what_the_last_step_destroyed_is_no_model():
    restorer = small(lr=1e30, max_epochs=1, patches_per_epoch=4)
    with pytest.raises(ValueError, match="training diverged: the network answers"):
        restorer.fit(NOISY, CLEAN)


def test_the_first_gradients_do_not_rule_the_steps():
    """By default they are shortened: Adam would remember them for long."""
    clean = make_dead_leaves(8, shape=(64, 64), random_state=0)
    noisy = clean + np.random.default_rng(0).normal(0, 0.1, clean.shape).astype("f4")
    scores = [
        small(max_epochs=6, patches_per_epoch=128, patch_size=32, **options)
        .fit(noisy[:6], clean[:6])
        .score(noisy[6:], clean[6:])
        for options in ({}, {"max_grad_norm": None})
    ]
    assert scores[0] > scores[1] + 0.5


def test_training_begins_anew_after_it_diverged():
    restorer = small(warm_start=True, lr=1e30, optimizer="sgd", max_grad_norm=None)
    with pytest.raises(ValueError, match="training diverged"):
        restorer.fit(NOISY, CLEAN)
    restorer.set_params(lr=1e-3).fit(NOISY, CLEAN)
    assert np.isfinite(restorer.predict(NOISY)).all()


def test_what_is_held_out_stays_so():
    restorer = small(validation_fraction=0.5)
    splits = [
        restorer.partial_fit(NOISY, CLEAN)._split(4, True)[1].tolist() for _ in range(4)
    ]
    assert splits == splits[:1] * 4
    assert len(splits[0]) == 2


def test_held_out_images_of_any_size():
    clean = list(make_dead_leaves(6, shape=(25, 27), random_state=0))
    degradation = Degradation([Downsample(2)])
    restorer = small(upscale=2, degradation=degradation, validation_fraction=0.5)
    assert "valid_psnr" in restorer.fit(clean).history_[-1]


def test_what_is_kept_of_a_training_that_goes_on(tmp_path):
    restorer = small(warm_start=True).fit(NOISY, CLEAN)
    restorer.set_params(checkpoint=tmp_path / "state.pt")
    with pytest.warns(UserWarning, match="checkpoint keeps trainings that begin anew"):
        restorer.fit(NOISY, CLEAN)
    small(checkpoint=tmp_path / "state.pt").partial_fit(NOISY, CLEAN)
    assert not (tmp_path / "state.pt").exists()


def test_gradients_are_clipped_anew_when_training_goes_on():
    before, after = (
        small(optimizer="sgd", max_grad_norm=None).fit(NOISY, CLEAN) for _ in range(2)
    )
    start = weights(before)
    after.set_params(max_grad_norm=1e-9).partial_fit(NOISY, CLEAN)
    before.partial_fit(NOISY, CLEAN)
    assert (weights(after) - start).abs().max() < 1e-8
    assert (weights(before) - start).abs().max() > 1e-5


def test_callbacks_do_not_change_when_training_goes_on():
    restorer = small().fit(NOISY, CLEAN).set_params(callbacks=[Kill()])
    with pytest.raises(ValueError, match=r"'callbacks'.* changed"):
        restorer.partial_fit(NOISY, CLEAN)


def test_sizes_may_be_numbers_of_numpy():
    restorer = small(module__width=np.int64(4), module__n_blocks=np.int32(1))
    expected = small().fit(NOISY, CLEAN).predict(NOISY)
    assert np.array_equal(restorer.fit(NOISY, CLEAN).predict(NOISY), expected)


def test_checkpoints_that_cannot_be(tmp_path):
    with pytest.raises(IsADirectoryError, match="checkpoint must be a file"):
        small(checkpoint=tmp_path).fit(NOISY, CLEAN)
    with pytest.raises(FileNotFoundError, match="checkpoint must lie in a folder"):
        small(checkpoint=tmp_path / "no" / "state.pt").fit(NOISY, CLEAN)
    small(checkpoint=tmp_path / "state.pt").fit(NOISY, CLEAN)
    other = small(checkpoint=tmp_path / "state.pt")
    del other._kwargs["module__n_blocks"]
    with pytest.raises(ValueError, match="of other module__n_blocks"):
        other.fit(NOISY, CLEAN)


class Printed(GaussianNoise):
    def __repr__(self):
        return "Printed()"


class Silent(GaussianNoise):
    pass


@pytest.mark.parametrize("noise", [Printed, Silent])
def test_fingerprints_of_what_holds_code(noise):
    psfs = np.random.default_rng(0).random((2, 3, 3))
    psfs /= psfs.sum((1, 2), keepdims=True)
    words = [fingerprint(Degradation([Blur(psf), noise(0.1)])) for psf in psfs]
    assert words[0] != words[1]
    assert words[0] == fingerprint(Degradation([Blur(psfs[0]), noise(0.1)]))


def test_fingerprints_of_what_holds_itself():
    first, second = Silent(0.1), Silent(0.2)
    first.other, second.other = second, first
    assert fingerprint([first]) == fingerprint([first]) != fingerprint([second])


def test_the_range_is_that_of_fit():
    restorer = small(data_range=255.0).fit(255 * NOISY, 255 * CLEAN)
    with pytest.raises(ValueError, match="data_range changed since fit, from 255 to 1"):
        restorer.set_params(data_range=1.0).predict(NOISY)
    with pytest.raises(ValueError, match="data_range changed since fit"):
        restorer.partial_fit(NOISY, CLEAN)


def test_draws_leave_nothing_out_of_other_predictions():
    restorer = small(module__dropout=0.5).fit(NOISY, CLEAN)
    expected, spreads = restorer.predict(NOISY), []

    def draw():
        spreads.append(restorer.predict(NOISY, return_std=True)[1])

    threads = [Thread(target=draw) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert np.array_equal(restorer.predict(NOISY), expected)
    for thread in threads:
        thread.join()
    assert all(np.array_equal(spread, spreads[0]) for spread in spreads)
    assert spreads[0].min() > 0
    assert np.array_equal(restorer.predict(NOISY), expected)
