"""Restoration by a convolutional network."""

import inspect
import warnings
from contextlib import nullcontext
from numbers import Integral, Real
from typing import Self

import numpy as np
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import PrintLog
from torch import Tensor, nn

from skdeconv._images import (
    Images,
    check_target,
)
from skdeconv._params import (
    Interval,
    RandomState,
    StrOptions,
    check_parameters,
    draw_seed,
)
from skdeconv._ranges import extrema, fits_one, resolve_data_range
from skdeconv.degradations import Degradation
from skdeconv.exceptions import DataRangeWarning
from skdeconv.networks import ConvTransposeNet, UNet
from skdeconv.neural._callbacks import Divergence, LearningRate, Progress, Validation
from skdeconv.neural._keeping import KeepingMixin
from skdeconv.neural._losses import CRITERIA
from skdeconv.neural._net import RestorationNet, has_bfloat16, local_seed
from skdeconv.neural._patches import PatchDataset, PatchLoader, validation_pairs
from skdeconv.operators import Downsample
from skdeconv.restorers._base import DATA_RANGE, NDIM, BaseRestorer

MODULES = {"unet": UNet, "conv_transpose": ConvTransposeNet}
OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}
PREFIXES = ("module__", "criterion__", "optimizer__", "callbacks__")

# An epoch takes at least this many steps, so that a handful of images still trains.
MIN_BATCHES = 16
# Pixels that pass through the network at once when predicting.
PREDICT_PIXELS = 2**20


class DeconvRestorer(KeepingMixin, BaseRestorer):
    r"""Convolutional network that maps degraded images to clean ones.

    An encoder of convolutions and a decoder of transposed convolutions
    ("deconvolutions"), trained on random patches by skorch. It minimises

    .. math:: \frac1N \sum_i \ell\bigl(f_\theta(x_i), y_i\bigr)

    over pairs of degraded x and clean y. To be preferred where examples of what is
    wanted are at hand, or can be made by degrading clean photographs.

    Parameters
    ----------
    module : {"unet", "conv_transpose"} or class of nn.Module, default="unet"
        The network. A class is built with those of the arguments ``in_channels``,
        ``out_channels`` and ``ndim`` that its constructor takes, and with `module__*`.
    criterion : str or class of nn.Module, default="mse"
        Training loss, called with prediction and target: ``"mse"``, ``"l1"``,
        ``"charbonnier"``, ``"ssim"``, ``"frequency"``, or ``"mixed"`` with
        ``criterion__weights={"ssim": 0.84, "l1": 0.16}``.
    optimizer : {"adam", "adamw", "sgd"} or class of Optimizer, default="adam"
        Optimiser.
    lr : float, default=1e-3
        Largest learning rate.
    lr_schedule : {"cosine", "constant"}, default="cosine"
        How the learning rate evolves over the training.
    max_epochs : int, default=100
        Epochs to train.
    max_time : float or None, default=None
        Seconds that training may take. Where they run short the schedule is driven by
        the clock, so that it still ends with small steps; the result then depends on
        the speed of the machine.
    batch_size : int, default=16
        Patches per training step.
    patch_size : int, default=64
        Length of the training patches along every axis, in pixels; it shrinks to the
        smallest image.
    patches_per_epoch : int or "auto", default="auto"
        Patches per epoch; ``"auto"`` covers the training pixels about once, with 16
        batches at least.
    augment : bool, default=True
        Whether patches are flipped and turned by multiples of 90 degrees. With a
        `degradation` the clean patch is turned before it is degraded, so that it is
        always right; for pairs whose degradation has a direction (motion blur) pass
        False.
    degradation : Degradation or None, default=None
        Train on pairs of (degraded afresh, clean) patches; clean is y where given,
        else X.
    validation_fraction : float, default=0.1
        Fraction of the images, at random, that is held out to record
        ``"valid_psnr"`` per epoch; rounded, so that few images may give none. 0 trains
        on all.
    early_stopping : bool, default=False
        Whether to stop when ``"valid_psnr"`` has not improved for `n_iter_no_change`
        epochs, and to return to the best weights; holds out one image at least.
    n_iter_no_change : int, default=10
        Patience of the early stopping, in epochs.
    callbacks : list of skorch callbacks or None, default=None
        Passed on to skorch; they are cloned first.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"`` or ``"auto"``, which takes CUDA where there is any.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        ``"auto"`` trains in bfloat16 (by autocast) where the processor computes in it,
        and predicts in float32; the others hold for both.
    compile : bool, default=False
        Whether to compile the network with ``torch.compile``.
    warm_start : bool, default=False
        Whether another ``fit`` goes on from the weights of the last.
    random_state : int, RandomState instance or None, default=None
        Seeds weights, patches and noise; torch's and numpy's global generators are left
        alone. An int gives the same network each time, at equal thread counts.
    verbose : int, default=0
        1 shows a progress bar, 2 prints a line per epoch.
    ndim : int, default=2
        Number of spatial axes.
    data_range : float or None, default=None
        Span of the intensities, by which images are divided; ``None`` takes it from
        the dtype (255 for uint8), or 1.
    clip : bool, default=False
        Whether to clip the answer to ``[0, data_range_]``.
    **module__kwargs : dict
        ``module__*``, ``criterion__*``, ``optimizer__*`` and ``callbacks__*``
        parameters, passed on by skorch; they can be searched like any other.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The trained net; ``net_.module_`` is the torch module.
    history_ : skorch.history.History
        One row per epoch: ``"train_loss"``, ``"lr"``, ``"dur"`` in seconds and, with
        held-out images, ``"valid_psnr"`` in decibels.
    n_iter_ : int
        Number of epochs in ``history_``.
    data_range_ : float
        Span of the intensities.
    n_channels_ : int
        Number of channels seen in ``fit``.
    n_features_in_ : int
        Length of the signals seen in ``fit``; only with ``ndim=1``.

    Raises
    ------
    ValueError
        If data or parameters are wrong, or training diverges.

    See Also
    --------
    skdeconv.WienerRestorer : Linear, needs no training.
    skdeconv.SparseCodingRestorer : Patches as sums of few atoms.

    Notes
    -----
    Images are computed in float32 and answered in the units of X. An interrupt from
    the keyboard ends ``fit`` with a ``ConvergenceWarning`` and keeps the model trained
    so far; inside a search it ends the search.

    References
    ----------
    .. [1] X.-J. Mao, C. Shen, Y.-B. Yang, "Image restoration using very deep
       convolutional encoder-decoder networks with symmetric skip connections",
       NIPS 2016. https://arxiv.org/abs/1603.09056

    Examples
    --------
    >>> import numpy as np
    >>> from skdeconv import DeconvRestorer
    >>> from skdeconv.datasets import make_dead_leaves
    >>> clean = make_dead_leaves(8, shape=(32, 32), random_state=0)
    >>> rng = np.random.default_rng(0)
    >>> noisy = clean + rng.normal(0, 0.2, clean.shape)
    >>> restorer = DeconvRestorer(max_epochs=4, module__width=16, random_state=0)
    >>> restored = restorer.fit(noisy, clean).predict(noisy)
    >>> restored.shape
    (8, 32, 32)
    """

    _compute_dtype = np.float32
    _output_dtypes = ("float32",)

    _parameter_constraints: dict = {
        "module": [StrOptions(set(MODULES)), type],
        "criterion": [StrOptions(set(CRITERIA)), type],
        "optimizer": [StrOptions(set(OPTIMIZERS)), type],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "lr_schedule": [StrOptions({"cosine", "constant"})],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "patch_size": [Interval(Integral, 1, None, closed="left")],
        "patches_per_epoch": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "augment": ["boolean"],
        "degradation": [Degradation, None],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "early_stopping": ["boolean"],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "callbacks": [list, None],
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

    def __init__(
        self,
        module: str | type[nn.Module] = "unet",
        *,
        criterion: str | type[nn.Module] = "mse",
        optimizer: str | type[torch.optim.Optimizer] = "adam",
        lr: float = 1e-3,
        lr_schedule: str = "cosine",
        max_epochs: int = 100,
        max_time: float | None = None,
        batch_size: int = 16,
        patch_size: int = 64,
        patches_per_epoch: int | str = "auto",
        augment: bool = True,
        degradation: Degradation | None = None,
        validation_fraction: float = 0.1,
        early_stopping: bool = False,
        n_iter_no_change: int = 10,
        callbacks: list | None = None,
        device: str = "auto",
        precision: str = "auto",
        compile: bool = False,
        warm_start: bool = False,
        random_state: RandomState = None,
        verbose: int = 0,
        ndim: int = 2,
        data_range: float | None = None,
        clip: bool = False,
        **module__kwargs,
    ):
        self.module = module
        self.criterion = criterion
        self.optimizer = optimizer
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.max_epochs = max_epochs
        self.max_time = max_time
        self.batch_size = batch_size
        self.patch_size = patch_size
        self.patches_per_epoch = patches_per_epoch
        self.augment = augment
        self.degradation = degradation
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.callbacks = callbacks
        self.device = device
        self.precision = precision
        self.compile = compile
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.ndim = ndim
        self.data_range = data_range
        self.clip = clip
        _refuse_unknown(module__kwargs)
        self._kwargs = module__kwargs

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
    def _requires_y(self):
        return self.degradation is None

    @property
    def history_(self):
        check_is_fitted(self)
        return self.net_.history

    @property
    def n_iter_(self):
        return len(self.history_)

    def partial_fit(self, X: Images, y: Images | None = None) -> Self:
        """Train for one more epoch, at the constant rate `lr`.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
            Degraded images, or clean ones where there is a `degradation`.
        y : array-like or list, of the shapes of X, default=None
            Clean images.

        Returns
        -------
        self : object
            The estimator, trained a little further.
        """
        check_parameters(self)
        first = not self.__sklearn_is_fitted__()
        self.psf_ = None
        images = self._check_X(X, reset=first)
        target = check_target(y, images) if y is not None or self._requires_y else None
        if first:
            self.data_range_ = resolve_data_range(self.data_range, images, target)
        with self._unfitted_on_error() if first else nullcontext():
            self._train(images, target, epochs=1, schedule="constant", restart=first)
        return self

    def _fit(self, images, target, weights=None):
        kept = hasattr(self, "net_") and self._built_of["channels"] == images.n_channels
        self._train(
            images,
            target,
            epochs=self.max_epochs,
            schedule=self.lr_schedule,
            restart=not (self.warm_start and kept),
        )

    def _train(self, images, target, *, epochs, schedule, restart):
        self._check_names()
        if restart:
            self._rng = np.random.default_rng(draw_seed(self.random_state))
            # Apart, so that patches are the same however epochs are split into calls.
            self._torch_rng = self._rng.spawn(1)[0]
        clean, degraded = target, images
        if self.degradation is not None:
            self.degradation._check_steps()
            if self.degradation._n_spatial() != self.ndim:
                raise ValueError(
                    f"degradation acts on {self.degradation._n_spatial()} spatial "
                    f"axes, but ndim is {self.ndim}."
                )
            if any(isinstance(s, Downsample) for s in self.degradation.steps):
                raise ValueError(
                    "degradation must keep the size of images: no network here refines "
                    f"coarser pixels, got {self.degradation.steps!r}."
                )
            self.degradation._check_fits(images)
            clean, degraded = (images if target is None else target), None
        train, held_out = self._split(len(clean))
        dataset = PatchDataset(
            None if degraded is None else degraded.select(train),
            clean.select(train),
            degradation=self.degradation,
            patch_size=self.patch_size,
            n_patches=(
                None if self.patches_per_epoch == "auto" else self.patches_per_epoch
            ),
            augment=self.augment,
            data_range=self.data_range_,
            rng=self._rng,
        )
        pairs = []
        if len(held_out):
            pairs = validation_pairs(
                None if degraded is None else degraded.select(held_out),
                clean.select(held_out),
                self.degradation,
                self.data_range_,
            )
        min_batches = MIN_BATCHES if self.patches_per_epoch == "auto" else 1
        steps = epochs * len(PatchLoader(dataset, self.batch_size, min_batches))
        callbacks = self._own_callbacks(schedule, steps, pairs)
        device = self._device()
        built_of = self._network_parameters()
        if restart:
            self.net_ = self._build(images.n_channels, callbacks, min_batches, device)
            with local_seed(int(self._torch_rng.integers(2**31)), device):
                self._initialize()
            self._check_module(dataset)
            self._built_of = built_of
        else:
            if built_of != self._built_of:
                old = self._built_of
                changed = sorted(k for k, v in built_of.items() if old.get(k) != v)
                raise ValueError(
                    "training goes on with the network of the last fit, but "
                    f"{changed} changed; fit with warm_start=False to start anew."
                )
            self.net_.lr, self.net_.batch_size = self.lr, self.batch_size
            self.net_.iterator_train__min_batches = min_batches
            self.net_.set_params(**{f"callbacks__{k}": v for k, v in callbacks})
            self.net_.initialize_callbacks()
        seed = int(self._torch_rng.integers(2**31))
        with local_seed(seed, device), self._unfitted_on_error():
            interrupted = self.net_.train(dataset, epochs)
        if interrupted:
            warnings.warn(
                f"Training was interrupted in epoch {self.n_iter_} of {epochs}; the "
                "model trained so far is kept.",
                ConvergenceWarning,
                stacklevel=3,
            )

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

    def __sklearn_is_fitted__(self):
        return hasattr(self, "net_") and super().__sklearn_is_fitted__()

    def _restore(self, x: Tensor, noise_std=None, weight=None) -> Tensor:
        step = max(1, PREDICT_PIXELS // x[0, 0].numel())
        restored = torch.empty_like(x)
        for start in range(0, len(x), step):
            part = x[start : start + step] / self.data_range_
            restored[start : start + step] = self.net_.infer(part)
        return restored.mul_(self.data_range_)

    def _check_names(self):
        for name in ("module", "criterion", "optimizer"):
            value = getattr(self, name)
            base = torch.optim.Optimizer if name == "optimizer" else nn.Module
            if isinstance(value, type) and not issubclass(value, base):
                raise ValueError(
                    f"{name} must be a name or a subclass of {base.__name__}, got "
                    f"{value!r}."
                )

    def _split(self, n_images):
        """Draw which images are trained on and which are held out."""
        n_held_out = round(self.validation_fraction * n_images)
        if self.early_stopping:
            n_held_out = max(1, n_held_out)
            if self.validation_fraction == 0 or n_images < 2:
                raise ValueError(
                    "early_stopping needs at least two images and a positive "
                    f"validation_fraction, got {n_images} image(s) and "
                    f"{self.validation_fraction}."
                )
        n_held_out = min(n_held_out, n_images - 1)
        order = self._rng.permutation(n_images) if n_held_out else np.arange(n_images)
        return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])

    def _network_parameters(self):
        """What a network is built of, and cannot be changed by training on."""
        names = ("module", "criterion", "optimizer", "device", "precision", "compile")
        built_of = {name: getattr(self, name) for name in names} | self._kwargs
        return built_of | {"ndim": self.ndim, "channels": self.n_channels_}

    def _initialize(self):
        try:
            self.net_.initialize()
        except TypeError as error:
            raise ValueError(
                f"module, criterion or optimizer cannot be built: {error}; check the "
                f"parameters passed on, here {self._kwargs}."
            ) from error

    def _own_callbacks(self, schedule, steps, pairs):
        patience = self.n_iter_no_change if self.early_stopping else None
        return [
            ("learning_rate", LearningRate(schedule, steps, self.max_time)),
            ("divergence", Divergence()),
            ("validation", Validation(pairs, patience)),
            ("progress", Progress(steps, shown=self.verbose == 1)),
        ]

    def _build(self, channels, callbacks, min_batches, device):
        module = MODULES.get(self.module, self.module)
        known = inspect.signature(module).parameters
        built = {
            f"module__{name}": value
            for name, value in {
                "in_channels": channels,
                "out_channels": channels,
                "ndim": self.ndim,
            }.items()
            if name in known
        }
        low = {
            "auto": (has_bfloat16(device), False),
            "float32": (False, False),
            "bfloat16": (True, True),
        }[self.precision]
        user = clone(self.callbacks, safe=False) or []
        return RestorationNet(
            module,
            CRITERIA.get(self.criterion, self.criterion),
            optimizer=OPTIMIZERS.get(self.optimizer, self.optimizer),
            lr=self.lr,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            iterator_train=PatchLoader,
            iterator_train__min_batches=min_batches,
            train_split=None,
            callbacks=[*callbacks, *user],
            callbacks__print_log=PrintLog() if self.verbose > 1 else None,
            device=device,
            verbose=int(self.verbose > 1),
            compile=self.compile,
            train_bfloat16=low[0],
            infer_bfloat16=low[1],
            **built | self._kwargs,
        )

    def _rebuild(self):
        self._check_names()
        callbacks, device = self._own_callbacks(self.lr_schedule, 1, []), self._device()
        self.net_ = self._build(self.n_channels_, callbacks, MIN_BATCHES, device)
        with local_seed(0, device):
            self._initialize()
        self.net_.module_.eval()
        self._built_of = self._network_parameters()

    def _device(self):
        if self.device == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        try:
            device = torch.device(self.device)
        except RuntimeError as error:
            raise ValueError(
                f"device must be 'auto', 'cpu' or 'cuda', got {self.device!r}."
            ) from error
        if device.type == "cuda" and not torch.cuda.is_available():
            raise ValueError(f"device is {self.device!r}, but there is no CUDA here.")
        return self.device

    def _check_module(self, dataset):
        """Refuse a network whose output does not have the shape of its input."""
        x, _ = dataset.draw(2)
        self.net_.module_.eval()
        try:
            with torch.inference_mode():
                shape = tuple(self.net_.infer(x).shape)
        except RuntimeError as error:
            raise ValueError(
                f"module {self.module!r} fails on images of shape {tuple(x.shape)} "
                f"(batch, channels, *spatial): {error}"
            ) from error
        if shape != tuple(x.shape):
            raise ValueError(
                "module must map (batch, channels, *spatial) to the same shape, but "
                f"{self.module!r} turns {tuple(x.shape)} into {shape}."
            )


def _refuse_unknown(kwargs):
    for name in kwargs:
        if not name.startswith(PREFIXES):
            raise TypeError(
                f"DeconvRestorer() got an unexpected keyword argument {name!r}; only "
                f"{', '.join(prefix + '*' for prefix in PREFIXES)} are passed on."
            )
