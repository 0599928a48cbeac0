"""DeconvRestorer: training, parameters, reproducibility, mistakes."""

import os
import pickle
import signal
import threading
import time
import warnings
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from torch import nn

from skdeconv import DeconvRestorer, Degradation, WienerRestorer
from skdeconv._images import check_images
from skdeconv.datasets import make_dead_leaves
from skdeconv.degradations import GaussianNoise
from skdeconv.exceptions import DataRangeWarning
from skdeconv.metrics import psnr
from skdeconv.networks import UNet
from skdeconv.neural._patches import PatchDataset, TrainingImages
from skdeconv.neural._schedule import LearningRate
from skdeconv.operators import Blur, gaussian_psf

CLEAN = make_dead_leaves(6, shape=(48, 40), random_state=0)
NOISY = CLEAN + np.random.default_rng(0).normal(0, 0.15, CLEAN.shape).astype("f4")
SMALL = {
    "module__width": 8,
    "max_epochs": 2,
    "patches_per_epoch": 32,
    "patch_size": 16,
    "random_state": 0,
    "precision": "float32",
}


def small(**parameters):
    return DeconvRestorer(**SMALL | parameters)


@pytest.fixture(scope="module")
def trained():
    """One restorer trained well enough to be asked many things; do not refit it."""
    return small(
        max_epochs=8,
        patches_per_epoch=180,
        patch_size=32,
        batch_size=4,
        lr=5e-3,
        module__width=16,
        validation_fraction=0.2,
    ).fit(NOISY, CLEAN)


def weights(restorer):
    return torch.cat([p.flatten() for p in restorer.net_.module_.parameters()])


def test_it_learns_to_restore(trained):
    before = psnr(CLEAN, NOISY, data_range=1)
    assert trained.score(NOISY, CLEAN) > before + 4


def test_history(trained):
    assert trained.n_iter_ == 8
    losses = trained.history_[:, "train_loss"]
    assert losses[-1] < losses[0]
    assert trained.history_[-1, "valid_psnr"] > trained.history_[0, "valid_psnr"]
    assert trained.history_[-1, "lr"] < 0.02 * 5e-3


@pytest.mark.parametrize("how", ["pickle", "joblib"])
def test_persistence(trained, how, tmp_path):
    if how == "pickle":
        again = pickle.loads(pickle.dumps(trained))
    else:
        joblib.dump(trained, tmp_path / "model.joblib")
        again = joblib.load(tmp_path / "model.joblib")
    assert np.array_equal(again.predict(NOISY), trained.predict(NOISY))
    assert again.history_[:, "train_loss"] == trained.history_[:, "train_loss"]


def test_pickle_holds_no_training_data(trained):
    many = np.tile(CLEAN, (20, 1, 1))
    other = small(max_epochs=1).fit(many, many)
    few = small(max_epochs=1).fit(CLEAN, CLEAN)
    assert abs(len(pickle.dumps(other)) - len(pickle.dumps(few))) < 2000


@pytest.mark.parametrize("module", ["unet", "conv_transpose"])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (7, 31), (33, 34)])
def test_any_size_is_restored(module, size):
    X = np.random.default_rng(0).random((2, *size, 5), dtype=np.float32)
    assert small(module=module).fit(X, X).predict(X).shape == X.shape


def test_prediction_does_not_depend_on_the_batch(trained, monkeypatch):
    whole = trained.predict(NOISY)
    alone = np.concatenate(
        [trained.predict(NOISY[i : i + 1]) for i in range(len(NOISY))]
    )
    assert np.allclose(whole, alone, atol=1e-5)
    monkeypatch.setattr("skdeconv.neural._base.PREDICT_PIXELS", 1)
    assert np.allclose(whole, trained.predict(NOISY), atol=1e-5)


@pytest.mark.parametrize(
    "extra",
    [{}, {"degradation": Degradation([GaussianNoise(0.1)])}, {"precision": "auto"}],
)
def test_same_seed_same_weights(extra):
    state = torch.random.get_rng_state()
    first, second = (small(**extra).fit(NOISY, CLEAN) for _ in range(2))
    assert torch.equal(weights(first), weights(second))
    assert torch.equal(state, torch.random.get_rng_state())
    assert not torch.equal(
        weights(first), weights(small(random_state=1, **extra).fit(NOISY, CLEAN))
    )


def test_dropout_is_reproducible_too():
    class Dropping(nn.Sequential):
        def __init__(self, in_channels):
            super().__init__(
                nn.Conv2d(in_channels, 8, 3, padding=1),
                nn.Dropout(0.5),
                nn.Conv2d(8, in_channels, 3, padding=1),
            )

    parameters = SMALL | {"module": Dropping}
    del parameters["module__width"]
    state = torch.random.get_rng_state()
    first, second = (DeconvRestorer(**parameters).fit(NOISY, CLEAN) for _ in range(2))
    assert torch.equal(weights(first), weights(second))
    assert torch.equal(state, torch.random.get_rng_state())


def test_partial_fit_goes_on():
    twice = small(lr_schedule="constant", max_epochs=1).fit(NOISY, CLEAN)
    start = weights(twice).clone()
    twice.partial_fit(NOISY, CLEAN)
    assert twice.n_iter_ == 2
    assert not torch.equal(start, weights(twice))
    straight = small(lr_schedule="constant", validation_fraction=0)
    straight.fit(NOISY, CLEAN)
    steps = small(lr_schedule="constant", validation_fraction=0)
    steps.partial_fit(NOISY, CLEAN).partial_fit(NOISY, CLEAN)
    assert torch.equal(weights(straight), weights(steps))
    resumed = small(lr_schedule="constant", validation_fraction=0)
    resumed = pickle.loads(pickle.dumps(resumed.partial_fit(NOISY, CLEAN)))
    assert torch.equal(weights(resumed.partial_fit(NOISY, CLEAN)), weights(straight))


def test_warm_start():
    warm = small(warm_start=True).fit(NOISY, CLEAN)
    kept = warm.net_
    assert warm.fit(NOISY, CLEAN).net_ is kept
    assert warm.n_iter_ == 4
    few = small(warm_start=True).fit(NOISY[:1], CLEAN[:1]).fit(NOISY, CLEAN)
    assert "valid_psnr" in few.history_[-1]
    cold = small().fit(NOISY, CLEAN)
    kept = cold.net_
    assert cold.fit(NOISY, CLEAN).net_ is not kept
    colour = np.stack([NOISY] * 3, axis=-1)
    assert warm.fit(colour, colour).predict(colour).shape == colour.shape
    warm.set_params(batch_size=4).fit(colour, colour)
    assert max(warm.history_[-2:, "lr"]) < warm.lr
    with pytest.raises(ValueError, match=r"module__width'\] changed"):
        warm.set_params(module__width=4).fit(colour, colour)


def test_a_failed_fit_is_not_fitted():
    restorer = small().fit(NOISY, CLEAN)
    with pytest.raises(ValueError, match="diverged"):
        restorer.set_params(lr=1e30, optimizer="sgd").fit(NOISY, CLEAN)
    with pytest.raises(NotFittedError):
        restorer.predict(NOISY)
    going_on = small(lr=1e30, optimizer="sgd", lr_schedule="constant")
    with pytest.raises(ValueError, match="diverged"):
        going_on.partial_fit(NOISY, CLEAN).partial_fit(NOISY, CLEAN)
    with pytest.raises(NotFittedError):
        going_on.predict(NOISY)
    with pytest.raises(ValueError, match="no 'wdith', but"):
        small(module__wdith=3).fit(NOISY, CLEAN)


def test_early_stopping_returns_to_the_best_weights():
    restorer = small(
        early_stopping=True,
        n_iter_no_change=2,
        max_epochs=40,
        lr=0.03,
        lr_schedule="constant",
        validation_fraction=0.3,
    ).fit(NOISY, CLEAN)
    recorded = restorer.history_[:, "valid_psnr"]
    assert len(recorded) < 40
    assert np.argmax(recorded) == len(recorded) - 3


def test_skorch_early_stopping_is_no_interrupt():
    stop = ("stop", EarlyStopping(monitor="train_loss", patience=1, threshold=10))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        restorer = small(max_epochs=30, callbacks=[stop]).fit(NOISY, CLEAN)
    assert restorer.n_iter_ < 30


class Interrupt(Callback):
    def on_epoch_end(self, net, **kwargs):
        os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def heeded():
    """What runs in the background may have been told to ignore interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(),
    reason="signals arrive in the main thread",
)
@pytest.mark.usefixtures("heeded")
def test_interrupt_keeps_the_model():
    restorer = small(max_epochs=30, callbacks=[Interrupt()])
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        restorer.fit(NOISY, CLEAN)
    assert restorer.n_iter_ <= 2
    assert restorer.predict(NOISY).shape == NOISY.shape
    search = GridSearchCV(restorer, {"lr": [1e-3]}, cv=2)
    with pytest.raises(KeyboardInterrupt):
        search.fit(NOISY, CLEAN)


def test_max_time_ends_training_with_small_steps():
    restorer = small(max_epochs=10**4, max_time=1.5).fit(NOISY, CLEAN)
    assert restorer.n_iter_ < 10**4
    rates = restorer.history_[:, "lr"]
    assert np.isfinite(restorer.history_[:, "train_loss"]).all()
    assert rates[-1] < 0.2e-3


def test_the_clock_drives_the_schedule_from_the_start():
    steps = LearningRate("cosine", n_steps=10**6, max_time=100.0)
    net = SimpleNamespace(
        lr=1.0, optimizer_=SimpleNamespace(param_groups=[{"lr": 1.0}])
    )
    steps.on_train_begin(net)
    for step in range(40):  # a second each, after a slow first one
        steps.start_ = time.perf_counter() - (0 if step == 0 else 3 + step)
        steps.on_batch_begin(net, training=True)
        if step == 5:
            assert net.progress_ < 1e-4
    assert net.progress_ == pytest.approx(0.42, abs=0.01)
    steps = LearningRate("cosine", n_steps=50, max_time=100.0)
    steps.on_train_begin(net)
    for step in range(40):  # time enough: it goes by the steps
        steps.start_ = time.perf_counter() - (0 if step == 0 else 30 + step)
        steps.on_batch_begin(net, training=True)
    assert net.progress_ == pytest.approx(39 / 50)


def test_degradation_is_drawn_afresh():
    degradation = Degradation([Blur(gaussian_psf(0.8)), GaussianNoise(0.05)])
    restorer = small(
        degradation=degradation, patches_per_epoch=360, batch_size=4, lr=5e-3
    )
    observed, truth = degradation.pair(CLEAN)
    score = restorer.fit(CLEAN).score(observed, truth)
    assert score > psnr(truth, observed, data_range=1)
    assert small(degradation=degradation).fit(CLEAN[:, :10, :10]).n_iter_ == 2


def test_degraded_integers_are_floats_in_their_units():
    clean = (255 * CLEAN).astype(np.uint8)
    degradation = Degradation([GaussianNoise(25)], random_state=0)
    restorer = small(degradation=degradation).fit(clean)
    observed, truth = degradation.pair(clean)
    assert restorer.data_range_ == 255
    assert np.isfinite(restorer.score(observed, truth))
    assert restorer.predict(clean).max() > 100
    with pytest.raises(
        ValueError, match="float, but DeconvRestorer was fitted on uint8"
    ):
        restorer.predict(observed / 255)


def test_other_units_at_predict_warn():
    restorer = small(patches_per_epoch=16).fit(NOISY, CLEAN)
    with pytest.warns(DataRangeWarning, match="range of 1"):
        restorer.predict(255 * NOISY)


def test_augmented_patches_are_pieces_of_the_images():
    X = np.arange(2 * 12 * 9, dtype=float).reshape(2, 12, 9)
    images = check_images(X, ndim=2)
    dataset = PatchDataset(
        TrainingImages(images, images),
        [0, 1],
        patch_size=4,
        n_patches=None,
        augment=True,
        rng=np.random.default_rng(0),
    )
    x, y = dataset.draw(64)
    assert torch.equal(x, y)
    assert x.shape == (64, 1, 4, 4)
    turned = 0
    for patch in x[:, 0].numpy():
        rows, columns = np.abs(np.diff(patch, axis=0)), np.abs(np.diff(patch, axis=1))
        assert {float(rows.max()), float(columns.max())} == {1.0, 9.0}
        turned += rows.max() == 1
    assert 10 < turned < 54
    assert len(dataset) == int(np.ceil(X.size / 16))


def test_search_over_module_parameters_and_names():
    grid = {"module__width": [4, 8], "lr": [1e-3], "optimizer__weight_decay": [0, 1e-3]}
    search = GridSearchCV(small(optimizer="adamw"), grid, cv=2).fit(NOISY, CLEAN)
    assert set(search.best_params_) == set(grid)
    GridSearchCV(
        small(module="conv_transpose"), {"criterion": ["l1", "charbonnier"]}, cv=2
    ).fit(NOISY, CLEAN)


def test_two_processes_give_the_scores_of_one():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        one = cross_val_score(small(), NOISY, CLEAN, cv=2)
        two = cross_val_score(small(), NOISY, CLEAN, cv=2, n_jobs=2)
        search = GridSearchCV(small(), {"lr": [1e-3, 2e-3]}, cv=2, n_jobs=2)
        search.fit(NOISY, CLEAN)
    finally:
        torch.set_num_threads(threads)
    assert np.allclose(one, two, atol=1e-3)
    searched = search.cv_results_["split0_test_score"][1]
    assert searched == pytest.approx(one[0], abs=1e-3)


def test_pipeline_of_eight_bit_images():
    clean = (255 * CLEAN).astype(np.uint8)
    noisy = np.clip(255 * NOISY, 0, 255).astype(np.uint8)
    pipeline = make_pipeline(WienerRestorer(alpha=0.1), small()).fit(noisy, clean)
    restored = pipeline.predict(noisy)
    assert restored.max() > 100
    assert pipeline.score(noisy, clean) > psnr(clean, noisy, data_range=255)


def test_volumes_signals_and_colours():
    for shape, ndim in [
        ((3, 40), 1),
        ((3, 40, 2), 1),
        ((2, 9, 10, 11), 3),
        ((3, 20, 22, 4), 2),
    ]:
        X = np.random.default_rng(0).random(shape, dtype=np.float32)
        assert small(ndim=ndim).fit(X, X).predict(X).shape == shape


def test_lists_of_different_sizes():
    X = [CLEAN[0], CLEAN[1][:20], CLEAN[2][:, :17]]
    restored = small().fit(X, X).predict(X)
    assert [r.shape for r in restored] == [x.shape for x in X]


def test_parameters_passed_on():
    restorer = small()
    assert restorer.get_params()["module__width"] == 8
    assert (
        clone(restorer.set_params(module__width=4)).get_params()["module__width"] == 4
    )
    assert "module__width=4" in repr(restorer)
    with pytest.raises(TypeError, match="unexpected keyword argument 'widht'"):
        DeconvRestorer(widht=3)
    with pytest.raises(ValueError, match="Invalid parameter 'epochs'"):
        restorer.set_params(epochs=3)


class Shrinks(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 3)

    def forward(self, x):
        return self.layer(x)


class Rounds(nn.Module):
    """Fits images of even length only."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(1, 4, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(4, 1, 2, stride=2)

    def forward(self, x):
        return self.up(self.down(x[..., : x.shape[2] // 2 * 2, :]))


class Pair(Shrinks):
    def forward(self, x):
        return x, x


class Detached(Rounds):
    def forward(self, x):
        return super().forward(x).detach()


class PassesOn(UNet):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)


def test_a_network_is_held_to_the_size_of_the_image():
    options = {k: v for k, v in SMALL.items() if k != "module__width"}
    restorer = DeconvRestorer(Rounds, **options).fit(NOISY, CLEAN)
    assert restorer.predict(NOISY).shape == NOISY.shape
    with pytest.raises(ValueError, match=r"one of \(13, \d+\) pixels into \(12, "):
        restorer.predict(NOISY[:, :13])
    options |= {"validation_fraction": 0.5, "patch_size": 12}
    with pytest.raises(ValueError, match="module must map images of any size"):
        DeconvRestorer(Rounds, **options).fit(NOISY[:, :13], CLEAN[:, :13])


def test_arguments_reach_a_base_class():
    restorer = DeconvRestorer(PassesOn, **SMALL).fit(NOISY, CLEAN)
    named = DeconvRestorer("unet", **SMALL).fit(NOISY, CLEAN)
    assert np.array_equal(restorer.predict(NOISY), named.predict(NOISY))


class Fails(Shrinks):
    def forward(self, x):
        return self.layer(x.flatten())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"module": "resnet"}, "'module' parameter"),
        ({"module": nn.Conv2d(1, 1, 3)}, "'module' parameter"),
        ({"module": dict}, "subclass of Module"),
        ({"optimizer": torch.optim.LBFGS}, "step of one gradient, but LBFGS"),
        ({"module": Shrinks}, "same shape"),
        ({"module": Fails}, "fails on images of shape"),
        ({"module": Pair}, "fails on images of shape"),
        ({"module": Detached}, "gradients must reach the module"),
        ({"criterion__reduction": "none"}, "criterion must give one number"),
        (
            {"callbacks": [LRScheduler("StepLR", step_size=1)]},
            "needs lr_schedule='constant', got 'cosine'",
        ),
        ({"criterion": "huber"}, "'criterion' parameter"),
        ({"max_epochs": 0}, "'max_epochs' parameter"),
        ({"device": "tpu"}, "device must be"),
        ({"device": "meta"}, "device must be"),
        ({"module__width": -1}, "optimizer or callbacks cannot be built"),
        ({"module__dropout": 2}, "optimizer or callbacks cannot be built"),
        ({"optimizer__weight_decay": -1}, "check the parameters passed on"),
        ({"module__foo": 1}, "module='unet' knows no 'foo', but"),
        ({"module__": 1}, "knows no '', but"),
        ({"criterion__foo": 1}, "criterion='mse' knows no 'foo', but"),
        ({"optimizer__params": 1}, "optimizer='adam' knows no 'params'"),
        ({"callbacks__foo": 3}, "no 'foo', but epoch_timer, print_log"),
        ({"callbacks__foo__bar": 3}, "no 'foo', but epoch_timer, print_log"),
        ({"callbacks__checkpoint": None}, "no 'checkpoint', but"),
        (
            {"callbacks": [("mine", Callback()), Callback()], "callbacks__my__a": 1},
            "no 'my', but Callback, epoch_timer, mine, print_log",
        ),
        ({"callbacks": ["progress"]}, "list of skorch callbacks, got 'progress'"),
        ({"callbacks": [("name", 3)]}, "list of skorch callbacks"),
        ({"degradation": "noise"}, "'degradation' parameter"),
        ({"early_stopping": True, "validation_fraction": 0}, "early_stopping needs"),
        ({"lr": 1e30, "optimizer": "sgd"}, "diverged"),
    ],
)
def test_refused_parameters(parameters, message):
    parameters = SMALL | parameters
    if "module" in parameters:
        del parameters["module__width"]
    with pytest.raises(ValueError, match=message):
        DeconvRestorer(**parameters).fit(NOISY, CLEAN)


def test_callbacks_are_reached_by_their_names(capsys):
    stop = EarlyStopping("train_loss")
    twice = [stop, ("other", stop), stop]
    restorer = small(
        callbacks=twice,
        callbacks__EarlyStopping_1__patience=5,
        callbacks__EarlyStopping_2__patience=6,
        callbacks__other=None,
        callbacks__print_log=None,
        verbose=2,
    )
    restorer.fit(NOISY, CLEAN)
    callbacks = dict(restorer.net_.callbacks_)
    assert callbacks["EarlyStopping_1"].patience == 5
    assert callbacks["EarlyStopping_2"].patience == 6
    assert "other" not in callbacks
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("mask", ["seen", True])
def test_a_mask_that_is_no_array_is_refused(mask):
    with pytest.raises(ValueError, match="mask must be an array or a list of arrays"):
        small().fit(NOISY, CLEAN, mask=mask)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA here")
def test_missing_cuda_is_said():
    with pytest.raises(ValueError, match="no CUDA"):
        small(device="cuda").fit(NOISY, CLEAN)


def test_y_is_required_without_degradation():
    with pytest.raises(ValueError, match="requires y"):
        small().fit(NOISY)


def test_degradation_of_other_dimension_is_refused():
    with pytest.raises(ValueError, match="spatial axes"):
        small(degradation=Degradation([GaussianNoise(0.1)], ndim=1)).fit(CLEAN)


def test_progress_bar(capsys):
    small(verbose=1).fit(NOISY, CLEAN)
    out, err = capsys.readouterr()
    assert "valid_psnr" in err
    assert out == ""
    small(verbose=2).fit(NOISY, CLEAN)
    assert "train_loss" in capsys.readouterr().out
