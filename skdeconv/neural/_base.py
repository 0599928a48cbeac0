"""What restorers share that are trained: parameters passed on, training, weights."""

import inspect
import warnings
from contextlib import nullcontext
from dataclasses import replace
from numbers import Integral, Real
from os import PathLike
from typing import Self
from zlib import crc32

import numpy as np
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import GradientNormClipping, PrintLog
from torch import Tensor, nn

from skdeconv._images import Images
from skdeconv._params import Interval, StrOptions, check_parameters, draw_seed
from skdeconv._ranges import extrema, fits_one
from skdeconv.degradations import Degradation
from skdeconv.exceptions import DataRangeWarning
from skdeconv.networks import (
    FSRCNN,
    Autoencoder,
    ConvTransposeNet,
    DnCNN,
    RedNet,
    UNet,
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
from skdeconv.neural._losses import CRITERIA
from skdeconv.neural._muon import Muon
from skdeconv.neural._net import RestorationNet, has_bfloat16, local_seed, takes_noise
from skdeconv.neural._patches import PatchDataset, PatchLoader, TrainingImages
from skdeconv.neural._schedule import SCHEDULES, LearningRate
from skdeconv.neural._supervision import Supervised
from skdeconv.operators._psf import check_psf
from skdeconv.restorers._base import DATA_RANGE, NDIM, BaseRestorer, hide
from skdeconv.restorers._noise import NOISE_STD, automatic_noise_std
from skdeconv.restorers._strength import batches

MODULES = {
    "unet": UNet,
    "conv_transpose": ConvTransposeNet,
    "rednet": RedNet,
    "dncnn": DnCNN,
    "autoencoder": Autoencoder,
    "fsrcnn": FSRCNN,
}
OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "muon": Muon,
    "nadam": torch.optim.NAdam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}
PREFIXES = ("module__", "criterion__", "optimizer__", "callbacks__")

# An epoch takes at least this many steps, so that a handful of images still trains.
MIN_BATCHES = 16
# Pixels that pass through the network at once when predicting.
PREDICT_PIXELS = 2**20


class NetworkRestorer(KeepingMixin, BaseRestorer):
    """Template of a restorer that is a trained network.

    A subclass declares its constructor, which takes the parameters of
    ``_parameter_constraints`` at least and keeps what it passes on in ``_kwargs``, and
    says by ``_objective`` what is learned.
    """

    _compute_dtype = np.float32
    _output_dtypes = ("float32",)
    _takes_mask = True

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
    # Networks by name.
    _modules = MODULES

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
        psf = getattr(self, "psf", None)
        self.psf_ = None if psf is None else check_psf(psf, warn=first)
        data = self._check_data(X, y, mask, reset=first)
        with self._unfitted_on_error() if first else nullcontext():
            self._train(*data, epochs=1, schedule="constant", restart=first)
        return self

    def _fit(self, images, target, weights=None):
        kept = hasattr(self, "net_") and self._built_of["channels"] == images.n_channels
        self._train(
            images,
            target,
            weights,
            epochs=self.max_epochs,
            schedule=self.lr_schedule,
            restart=not (self.warm_start and kept),
        )

    def _train(self, images, target, weights, *, epochs, schedule, restart):
        self._check_sense(images, target, weights)
        if restart:
            self._rng = np.random.default_rng(draw_seed(self.random_state))
            # Apart, so that patches are the same however epochs are split into calls.
            self._torch_rng = self._rng.spawn(1)[0]
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
        checkpoint = Checkpoint(None, {})
        if restart and self.checkpoint is not None:
            belongs_to = self._belongings(images, target, weights)
            checkpoint = Checkpoint(self.checkpoint, belongs_to)
        callbacks = self._own_callbacks(schedule, steps, judged, held_out, checkpoint)
        device = self._device()
        built_of = self._network_parameters()
        if restart:
            self.net_ = self._build(images.n_channels, callbacks, device)
            with local_seed(int(self._torch_rng.integers(2**31)), device):
                self._initialize()
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
            interrupted = self.net_.train(dataset, epochs)
            # The loss of the last step does not know what that step did.
            if probe is not None and not self._answers(probe).isfinite().all():
                raise ValueError(
                    "training diverged: the network answers what is not finite after "
                    f"its last step; lower lr (here {self.lr:g}) or check the data."
                )
        if interrupted:
            warnings.warn(
                f"Training was interrupted in epoch {self.n_iter_} of {epochs}; the "
                "model trained so far is kept.",
                ConvergenceWarning,
                stacklevel=3,
            )

    # What subclasses may change.

    @property
    def _requires_y(self):
        return self.degradation is None

    # Whether the objective needs the noise level, even if the network does not.
    _needs_noise = False
    # Whether training looks at the degraded images only.
    _self_supervised = False

    def _objective(self):
        """What the network is trained to do."""
        return Supervised()

    def _criterion(self):
        criterion = getattr(self, "criterion", "mse")
        return CRITERIA.get(criterion, criterion)

    def _check_sense(self, images, target, weights):
        """Refuse parameters and data that do not go together."""
        for name, base in (
            ("module", nn.Module),
            ("criterion", nn.Module),
            ("optimizer", torch.optim.Optimizer),
        ):
            value = getattr(self, name, None)
            if isinstance(value, type) and not issubclass(value, base):
                raise ValueError(
                    f"{name} must be a name or a subclass of {base.__name__}, got "
                    f"{value!r}."
                )
        for callback in self.callbacks or ():
            named = isinstance(callback, tuple) and len(callback) == 2
            if not hasattr(callback[1] if named else callback, "on_train_begin"):
                raise ValueError(
                    f"callbacks must be a list of skorch callbacks, got {callback!r} "
                    "in it."
                )
        if self.degradation is None:
            return
        self.degradation._check_steps()
        if self.degradation._n_spatial() != self.ndim:
            raise ValueError(
                f"degradation acts on {self.degradation._n_spatial()} spatial "
                f"axes, but ndim is {self.ndim}."
            )
        factor = self.degradation._factor()
        if factor != self.upscale:
            raise ValueError(
                f"degradation makes pixels {factor} times coarser, but the network "
                f"refines them {self.upscale} times; they must be equal."
            )
        if weights is not None:
            raise ValueError(
                "mask belongs to degraded images, but the degradation makes its own; "
                "pass one of them."
            )
        self.degradation._check_fits(images)

    def _training_images(self, images, target, weights):
        """What patches are cut from, and what held-out images are judged by, if any."""
        if weights is not None:
            filled = images.map(hide, np.float32, weights)
            images = replace(images, data=filled)
        options = {"data_range": self.data_range_, "weights": weights}
        if self._self_supervised:
            judged = None
            if target is not None:
                judged = TrainingImages(images, target, **options)
            return TrainingImages(None, images, **options), judged
        options["upscale"] = self.upscale
        if self.degradation is not None:
            options["degradation"] = self.degradation
            images, target = None, (images if target is None else target)
        both = TrainingImages(images, target, **options)
        return both, both

    def _known_levels(self, images, weights):
        """Noise level of every image, or how to find it."""
        if self.noise_std != "auto":
            return [float(self.noise_std)] * len(images)
        if self.degradation is not None:
            return "measured"
        levels = [
            automatic_noise_std(x, self.data_range_, weight)
            for x, weight in batches(images, weights, self._compute_dtype)
        ]
        return torch.cat(levels).tolist()

    def _split(self, n_images, judged):
        """Draw which images are trained on and which are held out."""
        n_held_out = round(self.validation_fraction * n_images)
        if self.early_stopping:
            n_held_out = max(1, n_held_out)
            if self.validation_fraction == 0 or n_images < 2 or not judged:
                raise ValueError(
                    "early_stopping needs at least two images, clean ones among them, "
                    f"and a positive validation_fraction, got {n_images} image(s)"
                    f"{'' if judged else ' without y'} and {self.validation_fraction}."
                )
        n_held_out = min(n_held_out, n_images - 1) if judged else 0
        order = self._rng.permutation(n_images) if n_held_out else np.arange(n_images)
        return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])

    def _network_parameters(self):
        """What a network is built of, and cannot be changed by training on."""
        names = ("module", "criterion", "optimizer", "device", "precision", "compile")
        built_of = {name: getattr(self, name, None) for name in names} | self._kwargs
        return built_of | {
            "ndim": self.ndim,
            "upscale": self.upscale,
            "channels": self.n_channels_,
        }

    def _check_going_on(self, built_of, weights):
        old = self._built_of
        changed = sorted(k for k, v in built_of.items() if old.get(k) != v)
        if self._masked != (weights is not None):
            changed.append("mask")
        if changed:
            raise ValueError(
                "training goes on with the network of the last fit, but "
                f"{changed} changed; fit with warm_start=False to start anew."
            )

    def _belongings(self, *batches):
        """Parameters and data to which a checkpoint belongs, in words."""
        ignored = {"checkpoint", "callbacks", "verbose", "device", "warm_start", "clip"}
        words = {
            name: repr(value)
            for name, value in self.get_params(deep=False).items()
            if name not in ignored
        }
        # All of them: the folds of a search differ in their last images only.
        data = [batch and (batch.shapes, _checksum(batch)) for batch in batches]
        return words | {"data": repr(data)}

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
            ("progress", Progress(steps, shown=self.verbose == 1)),
            ("checkpoint", checkpoint or Checkpoint(None, {})),
        ]

    def _rebuild(self):
        device, callbacks = self._device(), self._own_callbacks(self.lr_schedule, 1)
        self.net_ = self._build(self.n_channels_, callbacks, device)
        with local_seed(0, device):
            self._initialize()
        self.net_.module_.eval()
        self._built_of = self._network_parameters()

    def _initialize(self):
        try:
            self.net_.initialize()
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"module, criterion or optimizer cannot be built: {error}; check the "
                f"parameters passed on, here {self._kwargs}."
            ) from error

    def _build(self, channels, callbacks, device):
        module = self._modules.get(self.module, self.module)
        known = inspect.signature(module).parameters
        offered = {
            # Weights of the pixels come in as channels of their own.
            "in_channels": (1 + self._masked) * channels,
            "out_channels": channels,
            "ndim": self.ndim,
            "upscale": self.upscale,
        }
        built = {f"module__{k}": v for k, v in offered.items() if k in known}
        low = {
            "auto": (has_bfloat16(device), False),
            "float32": (False, False),
            "bfloat16": (True, True),
        }[self.precision]
        if self.max_grad_norm is not None:
            callbacks = [
                *callbacks,
                ("clipping", GradientNormClipping(self.max_grad_norm)),
            ]
        user = clone(self.callbacks, safe=False) or []
        return RestorationNet(
            module,
            self._criterion(),
            objective=self._objective(),
            optimizer=OPTIMIZERS.get(self.optimizer, self.optimizer),
            lr=self.lr,
            max_epochs=self.max_epochs,
            iterator_train=PatchLoader,
            train_split=None,
            callbacks=[*callbacks, *user],
            callbacks__print_log=PrintLog() if self.verbose > 1 else None,
            device=device,
            verbose=int(self.verbose > 1),
            compile=self.compile,
            enlarge_by=1 if "upscale" in known else self.upscale,
            train_bfloat16=low[0],
            infer_bfloat16=low[1],
            **built | self._kwargs,
        )

    def _device(self):
        if self.device == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        try:
            kind = torch.device(self.device).type
        except RuntimeError:
            kind = None
        if kind not in ("cpu", "cuda"):
            raise ValueError(
                f"device must be 'auto', 'cpu' or 'cuda', got {self.device!r}."
            )
        if kind == "cuda" and not torch.cuda.is_available():
            raise ValueError(f"device is {self.device!r}, but there is no CUDA here.")
        return self.device

    def _check_module(self, dataset):
        """Refuse a network whose output does not have the shape that it should."""
        x, _ = dataset.draw(2)
        shown = x[0] if isinstance(x, tuple) else x
        expected = (2, self.n_channels_, *self._output_shape(shown.shape[2:]))
        self.net_.module_.eval()
        try:
            shape = tuple(self._answers(x).shape)
        except RuntimeError as error:
            raise ValueError(
                f"module {self.module!r} fails on images of shape {tuple(shown.shape)} "
                f"(batch, channels, *spatial): {error}"
            ) from error
        if shape != expected:
            wanted = "same" if expected == tuple(shown.shape) else f"shape {expected}"
            raise ValueError(
                f"module must map (batch, channels, *spatial) to the {wanted} shape, "
                f"but {self.module!r} turns {tuple(shown.shape)} into {shape}."
            )
        return x

    def _answers(self, x):
        with torch.inference_mode():
            return self.net_.infer(x)

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
                warnings.warn(
                    f"X lies in [{low:g}, {high:g}], but the network was trained on a "
                    "range of 1; give X in the same units, or pass data_range.",
                    DataRangeWarning,
                    stacklevel=4,
                )
            if self.degradation is not None:
                return self.data_range_ == 1 or not 0 < high <= 1.5
        return super()._in_units_of_fit(images)

    def _restore(self, x: Tensor, noise_std=None, weight=None) -> Tensor:
        return self._in_parts(self._infer, *self._input(x, noise_std, weight))

    def _in_parts(self, infer, x: Tensor, *levels) -> Tensor:
        """Apply `infer` to few images at a time; answer in the units of the data."""
        step = max(1, PREDICT_PIXELS // x[0, 0].numel())
        answers = None
        for start in range(0, len(x), step):
            part = (tensor[start : start + step] for tensor in (x, *levels))
            answer = infer(tuple(part))
            if answers is None:
                answers = x.new_empty(len(x), *answer.shape[1:])
            answers[start : start + step] = answer
        return answers.mul_(self.data_range_)

    def _infer(self, x):
        """Restore an input of range 1."""
        return self.net_.infer(x)

    def _input(self, x, noise_std=None, weight=None):
        """What the network sees of images: range 1, weights and noise levels beside."""
        if weight is not None and not self._masked:
            raise ValueError(
                f"{type(self).__name__} was fitted without a mask, and cannot take one."
            )
        levels = []
        if takes_noise(self.net_.module_):
            level = noise_std
            if level is None:
                level = self.noise_std
            if isinstance(level, str):
                level = automatic_noise_std(x, self.data_range_, weight)
            level = torch.as_tensor(level, dtype=torch.float32) / self.data_range_
            if not (level >= 0).all():
                raise ValueError(
                    f"noise_std must be non-negative or 'auto', got {self.noise_std!r}."
                )
            levels = [level.expand(len(x)) if level.ndim <= 1 else level]
        x = x / self.data_range_
        if self._masked:
            seen = torch.ones_like(x) if weight is None else weight.to(x)
            x = torch.cat([x, seen], dim=1)
        return x, *levels


def _checksum(batch):
    total = 0
    for image in batch.data:
        total = crc32(np.ascontiguousarray(image), total)
    return total


def refuse_unknown(restorer: str, kwargs: dict) -> None:
    """Refuse keywords that are not passed on to skorch."""
    for name in kwargs:
        if not name.startswith(PREFIXES):
            raise TypeError(
                f"{restorer}() got an unexpected keyword argument {name!r}; only "
                f"{', '.join(prefix + '*' for prefix in PREFIXES)} are passed on."
            )
