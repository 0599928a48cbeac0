"""What restorers share that are trained: parameters passed on, training, weights."""

from contextlib import nullcontext
from numbers import Integral, Real
from os import PathLike
from typing import Self

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import GradientNormClipping
from torch import Tensor

from skdeconv._images import Images
from skdeconv._params import Interval, StrOptions, check_parameters, draw_seed
from skdeconv._ranges import extrema, fits_one
from skdeconv._warnings import warn_caller
from skdeconv.degradations import Degradation
from skdeconv.exceptions import DataRangeWarning
from skdeconv.networks._layers import check_answer
from skdeconv.neural._building import (
    MODULES,
    OPTIMIZERS,
    PREFIXES,
    BuildingMixin,
)
from skdeconv.neural._callbacks import (
    Averaging,
    Divergence,
    Progress,
    Terms,
    Validation,
)
from skdeconv.neural._checkpoint import Checkpoint
from skdeconv.neural._keeping import KeepingMixin
from skdeconv.neural._material import MaterialMixin
from skdeconv.neural._net import local_seed, takes_noise
from skdeconv.neural._patches import PatchDataset, PatchLoader
from skdeconv.neural._schedule import SCHEDULES, LearningRate
from skdeconv.neural._supervision import Supervised
from skdeconv.restorers._base import DATA_RANGE, NDIM, BaseRestorer
from skdeconv.restorers._noise import NOISE_STD

# An epoch takes at least this many steps, so that a handful of images still trains.
MIN_BATCHES = 16
# Pixels that pass through the network at once when predicting.
PREDICT_PIXELS = 2**20


class NetworkRestorer(BuildingMixin, MaterialMixin, KeepingMixin, BaseRestorer):
    """Template of a restorer that is a trained network.

    A subclass declares its constructor, which takes the parameters of
    ``_parameter_constraints`` at least and keeps what it passes on in ``_kwargs``, and
    says by ``_objective`` what is learned.
    """

    _compute_dtype = np.float32
    _output_dtypes = ("float32",)
    _takes_mask = True
    _takes_planes = False

    _parameter_constraints: dict = {
        "module": [StrOptions(set(MODULES)), type],
        "optimizer": [StrOptions(set(OPTIMIZERS)), type],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "lr_schedule": [StrOptions(SCHEDULES)],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "accumulation_steps": [Interval(Integral, 1, None, closed="left")],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
        "ema_decay": [Interval(Real, 0, 1, closed="left"), None],
        "patch_size": [Interval(Integral, 1, None, closed="left")],
        "patches_per_epoch": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "augment": ["boolean"],
        "degradation": [Degradation, None],
        "noise_std": NOISE_STD,
        "upscale": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "early_stopping": ["boolean"],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "callbacks": [list, None],
        "checkpoint": [str, PathLike, None],
        "device": [str],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "compile": ["boolean"],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "ndim": NDIM,
        "data_range": DATA_RANGE,
        "clip": ["boolean"],
    }

    def get_params(self, deep: bool = True) -> dict:
        """Get the parameters, those passed on to skorch included.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the parameters of nested estimators.

        Returns
        -------
        params : dict
            Values by name.
        """
        return super().get_params(deep) | self._kwargs

    def set_params(self, **params) -> Self:
        """Set parameters.

        Parameters
        ----------
        **params : dict
            Values by name; ``module__*`` and its like are passed on to skorch.

        Returns
        -------
        self : object
            The estimator.
        """
        passed_on = {k: params.pop(k) for k in list(params) if k.startswith(PREFIXES)}
        super().set_params(**params)
        self._kwargs = self._kwargs | passed_on
        return self

    @property
    def history_(self):
        check_is_fitted(self)
        return self.net_.history

    @property
    def n_iter_(self):
        return len(self.history_)

    def partial_fit(
        self, X: Images, y: Images | None = None, mask: Images | None = None
    ) -> Self:
        """Train for one more epoch, at the constant rate `lr`.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
            Degraded images, or clean ones where there is a `degradation`.
        y : array-like or list, of the shapes of X, default=None
            Clean images.
        mask : array-like or list, of the shapes of X, default=None
            Weights of the pixels, as in ``fit``.

        Returns
        -------
        self : object
            The estimator, trained a little further.
        """
        check_parameters(self)
        first = not self.__sklearn_is_fitted__()
        self._check_physics(warn=first)
        data = self._check_data(X, y, mask, reset=first)
        with self._unfitted_on_error() if first else nullcontext():
            self._train(*data, epochs=1, schedule="constant", restart=first)
        return self

    def _fit(self, images, target, weights=None):
        kept = hasattr(self, "net_") and self._built_of["channels"] == images.n_channels
        restart = not (self.warm_start and kept)
        checkpoint = None
        if self.checkpoint is not None:
            if restart:
                belongs_to = self._belongings(images, target, weights)
                checkpoint = Checkpoint(self.checkpoint, belongs_to)
            else:
                warn_caller(
                    "checkpoint keeps trainings that begin anew; this one goes on with "
                    "the network of the last fit, and is not kept.",
                    UserWarning,
                )
        self._train(
            images,
            target,
            weights,
            epochs=self.max_epochs,
            schedule=self.lr_schedule,
            restart=restart,
            checkpoint=checkpoint,
        )

    def _train(
        self, images, target, weights, *, epochs, schedule, restart, checkpoint=None
    ):
        self._check_sense(images, target, weights)
        checkpoint = checkpoint or Checkpoint(None, {})
        if restart:
            if checkpoint.seed is None:
                checkpoint.seed = draw_seed(self.random_state)
            self._sow(checkpoint.seed)
            self._masked = weights is not None
        seen, judged = self._training_images(images, target, weights)
        train, held_out = self._split(len(images), judged is not None)
        dataset = PatchDataset(
            seen,
            train,
            patch_size=self.patch_size,
            n_patches=(
                None if self.patches_per_epoch == "auto" else self.patches_per_epoch
            ),
            augment=self.augment,
            rng=self._rng,
        )
        loading = {
            "batch_size": self.batch_size * self.accumulation_steps,
            "min_batches": MIN_BATCHES if self.patches_per_epoch == "auto" else 1,
        }
        steps = epochs * len(PatchLoader(dataset, **loading))
        callbacks = self._own_callbacks(schedule, steps, judged, held_out, checkpoint)
        device = self._device()
        built_of = self._network_parameters()
        if restart:
            self.net_ = self._build(images.n_channels, callbacks, device)
            with local_seed(int(self._torch_rng.integers(2**31)), device):
                self._initialize()
                self._take_weights()
            self._built_of = built_of
        else:
            self._check_going_on(built_of, weights)
            self.net_.lr = self.lr
            objective = self._objective()
            if hasattr(objective, "load_state_dict"):
                objective.load_state_dict(self.net_.objective.state_dict())
            self.net_.objective = objective
            self.net_.set_params(**{f"callbacks__{k}": v for k, v in callbacks})
            self.net_.initialize_callbacks()
        self.net_.batch_size = loading["batch_size"]
        self.net_.iterator_train__min_batches = loading["min_batches"]
        self.net_.accumulation_steps = self.accumulation_steps
        if takes_noise(self.net_.module_) or self._needs_noise:
            levels = self._known_levels(images, weights)
            for batch in (seen, judged):
                if batch is not None:
                    batch.noise_std = levels
        probe = self._check_module(dataset) if restart else None
        seed = int(self._torch_rng.integers(2**31))
        with local_seed(seed, device), self._unfitted_on_error():
            try:
                interrupted = self.net_.train(dataset, epochs)
                # The loss of the last step does not know what that step did.
                if probe is not None and not self._answers(probe).isfinite().all():
                    raise ValueError(
                        "training diverged: the network answers what is not finite "
                        f"after its last step; lower lr (here {self.lr:g}) or check "
                        "the data."
                    )
            except BaseException:
                del self.net_  # what broke is nothing to go on from
                raise
        if interrupted:
            warn_caller(
                f"Training was interrupted in epoch {self.n_iter_} of {epochs}; the "
                "model trained so far is kept.",
                ConvergenceWarning,
            )

    def _sow(self, seed: int) -> None:
        """Start all that is drawn at random from a seed."""
        self._rng = np.random.default_rng(seed)
        # Apart, so that patches are the same however epochs are split into calls.
        self._torch_rng, splitting = self._rng.spawn(2)
        self._split_seed = int(splitting.integers(2**31))

    # What subclasses may change.

    @property
    def _requires_y(self):
        return self.degradation is None

    @property
    def _passes_y_on(self):
        return self._self_supervised

    # Whether the objective needs the noise level, even if the network does not.
    _needs_noise = False

    # Whether the network takes a mask that it was not trained with.
    _takes_any_mask = False

    def _take_weights(self):
        """Replace the weights that were drawn at random."""

    def _objective(self):
        """What the network is trained to do."""
        return Supervised()

    def _check_sense(self, images, target, weights):
        """Refuse parameters and data that do not go together."""
        self._check_parts()
        if self.degradation is not None:
            self._check_degradation(images, weights)

    def _own_callbacks(
        self, schedule, steps, judged=None, held_out=(), checkpoint=None
    ):
        patience = self.n_iter_no_change if self.early_stopping else None
        return [
            ("averaging", Averaging(self.ema_decay)),
            ("validation", Validation(judged, held_out, patience)),
            ("learning_rate", LearningRate(schedule, steps, self.max_time)),
            ("divergence", Divergence()),
            ("terms", Terms()),
            ("clipping", GradientNormClipping(self.max_grad_norm)),
            ("progress", Progress(steps, shown=self.verbose == 1)),
            ("checkpoint", checkpoint or Checkpoint(None, {})),
        ]

    # Prediction.

    def __sklearn_is_fitted__(self):
        return hasattr(self, "net_") and super().__sklearn_is_fitted__()

    def _output_shape(self, shape):
        return tuple(self.upscale * n for n in shape)

    def _in_units_of_fit(self, images):
        # Integers that a degradation made noisy are floats in the same units, which
        # those in [0, 1] are plainly not.
        if images.range_kind == "float":
            low, high = extrema(images)
            if self.data_range_ == 1 and not fits_one(low, high):
                warn_caller(
                    f"X lies in [{low:g}, {high:g}], but the network was trained on a "
                    "range of 1; give X in the same units, or pass data_range.",
                    DataRangeWarning,
                )
            if self.degradation is not None:
                return self.data_range_ == 1 or not 0 < high <= 1.5
        return super()._in_units_of_fit(images)

    def _restore(self, x: Tensor, noise_std=None, weight=None) -> Tensor:
        return self._in_parts(self._infer, *self._input(x, noise_std, weight))

    def _in_parts(self, infer, x: Tensor, *levels) -> Tensor:
        """Apply `infer` to few images at a time; answer in the units of the data."""
        step = max(1, PREDICT_PIXELS // x[0, 0].numel())
        expected = (self.n_channels_, *self._output_shape(tuple(x.shape[2:])))
        answers = None
        for start in range(0, len(x), step):
            part = (tensor[start : start + step] for tensor in (x, *levels))
            answer = infer(tuple(part))
            check_answer(x, answer, expected)
            if answers is None:
                answers = x.new_empty(len(x), *answer.shape[1:])
            answers[start : start + step] = answer
        return answers.mul_(self.data_range_)

    def _infer(self, x):
        """Restore an input of range 1."""
        return self.net_.infer(x)

    def _input(self, x, noise_std=None, weight=None):
        """What the network sees of images: range 1, weights and noise levels beside."""
        if weight is not None and not (self._masked or self._takes_any_mask):
            raise ValueError(
                f"{type(self).__name__} was fitted without a mask, and cannot take one."
            )
        levels = []
        if takes_noise(self.net_.module_):
            level = noise_std
            if level is None:
                level = self.noise_std
            told = not isinstance(level, str)
            if not told and level == "auto":
                level, told = self._automatic_noise_std(x, weight), True
            if not told or not (torch.as_tensor(level) >= 0).all():
                raise ValueError(
                    f"noise_std must be non-negative or 'auto', got {self.noise_std!r}."
                )
            level = torch.as_tensor(level, dtype=torch.float32) / self.data_range_
            levels = [level.expand(len(x)) if level.ndim <= 1 else level]
        x = x / self.data_range_
        if self._masked or weight is not None:
            seen = torch.ones_like(x) if weight is None else weight.to(x)
            x = torch.cat([x, seen], dim=1)
        return x, *levels
