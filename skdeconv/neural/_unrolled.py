"""Physics and a network that are trained together."""

from dataclasses import replace
from math import prod
from numbers import Integral
from os import PathLike

import torch
from numpy.typing import ArrayLike
from torch import nn

from skdeconv._params import Interval, RandomState, StrOptions
from skdeconv.degradations import Degradation
from skdeconv.neural._base import NetworkRestorer
from skdeconv.neural._building import refuse_unknown
from skdeconv.neural._losses import CRITERIA
from skdeconv.neural._unrolling import Unrolling
from skdeconv.neural._weights import load_denoiser
from skdeconv.operators import Identity, LinearOperator
from skdeconv.operators._blur import BOUNDARIES
from skdeconv.operators._scene import image_shape, masked_last, open_outside
from skdeconv.operators._trial import check_promises
from skdeconv.restorers._base import OPERATOR, PSF, BaseRestorer
from skdeconv.restorers._varying_psf import VaryingPSFMixin
from skdeconv.solvers._data_steps import unmask


class UnrolledRestorer(VaryingPSFMixin, NetworkRestorer):
    r"""Undo a known degradation by few iterations, whose steps and network are learned.

    The iterations of plug-and-play [1]_ are a network themselves [2]_,

    .. math:: x_k = \arg\min_x \; \|A x - y\|^2 + \mu_k \|x - z_{k-1}\|^2,
        \qquad z_k = D_\theta(x_k, \sigma_k),

    in which the physics A is known, and couplings :math:`\mu_k`, levels
    :math:`\sigma_k` and the denoiser :math:`D_\theta` are learned from degraded and
    clean images. They begin with those of plug-and-play, the denoiser with weights that
    come with the package. To be preferred to :class:`~skdeconv.PlugAndPlayRestorer`
    where there are minutes to train: the same time for an image gives a better one. To
    be preferred to :class:`~skdeconv.DeconvRestorer` where the degradation is known.

    Parameters
    ----------
    psf : array-like of one to three axes or None, default=None
        Point spread function; None, without an `operator`, removes noise only.
    operator : LinearOperator or None, default=None
        What made the data, in the place of a blur: coarse pixels, a mask of the size of
        the images, a composition. But for masks that come last it must take images of
        any size.
    pretrained : bool, str or path-like, default=True
        Whether the denoiser begins with the weights of the package, or a file of others
        by :meth:`DeconvRestorer.save`, of a U-Net with a ``noise_map`` for one channel
        or three. Images of three channels are taken for colour ones; others, and slices
        of volumes, each go through the network by themselves. False draws the weights
        of a network for images, signals or volumes like those in ``fit``.
    max_iter : int, default=4
        Number of iterations; training and prediction take as many times as long.
    boundary : {"extended", "reflect", "periodic"}, default="extended"
        What lies beyond the image in ``predict``, for a `psf`: a scene that is unknown,
        the image mirrored, or repeated. Training patches are parts of a larger scene,
        and always taken for such.
    criterion : str or class of nn.Module, default="mse"
        Training loss, by name or class as for :class:`~skdeconv.DeconvRestorer`.
    optimizer : str or class of torch.optim.Optimizer, default="adam"
        Optimiser: ``"adam"``, ``"adamw"``, ``"muon"``, ``"nadam"``, ``"rmsprop"`` or
        ``"sgd"``.
    lr : float, default=1e-4
        Largest learning rate. The logarithms of couplings and levels learn fifty times
        faster.
    lr_schedule : {"cosine", "one_cycle", "plateau", "constant"}, default="cosine"
        How the learning rate evolves over the training, as for
        :class:`~skdeconv.DeconvRestorer`.
    max_epochs : int, default=5
        Epochs to train.
    max_time : float or None, default=None
        Seconds that training may take. Where they run short the schedule is driven by
        the clock, so that it still ends with small steps; the result then depends on
        the speed of the machine.
    batch_size : int, default=4
        Patches that pass through the network at once.
    accumulation_steps : int, default=1
        Batches whose gradients are added up for one step: memory of one, effect of all.
    max_grad_norm : float or None, default=None
        Largest norm of a gradient; longer ones are shortened.
    ema_decay : float or None, default=0.99
        Decay of an exponential moving average of the weights, which becomes the model.
    patch_size : int, default=96
        Length of the training patches along every axis, in pixels; it should be several
        times that of the PSF, and shrinks to the smallest image.
    patches_per_epoch : int or "auto", default="auto"
        Patches per epoch; ``"auto"`` covers the training pixels about once, with 16
        batches at least.
    degradation : Degradation or None, default=None
        Train on pairs of (degraded afresh, clean) patches; clean is y where given,
        else X. It should do what `psf` or `operator` says, and make noise. Patches are
        then flipped and turned before they are degraded.
    noise_std : float or "auto", default="auto"
        Noise level of X, in its units; ``"auto"`` estimates it for every image, or
        takes that of the `degradation` in training.
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
        Passed on to skorch; they are cloned first. What they may look at after an epoch
        are ``"train_loss"``, ``"lr"`` and, with held-out images, ``"valid_psnr"``. A
        scheduler of skorch's needs ``lr_schedule="constant"``.
    checkpoint : str, path-like or None, default=None
        File in which the state of ``fit`` is kept after every epoch. Where it exists,
        ``fit`` goes on from it as if it had never been interrupted; it must be of the
        same parameters and data. States of `callbacks` are not kept.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"`` or ``"auto"``, which takes CUDA where there is any.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        ``"auto"`` trains the denoiser in bfloat16 (by autocast) where the processor
        computes in it, and predicts in float32; the others hold for both. The physics
        is always computed in float32.
    warm_start : bool, default=False
        Whether another ``fit`` goes on from the weights of the last; with another PSF,
        if it was changed.
    random_state : int, RandomState instance or None, default=None
        Seeds weights, patches and noise; torch's and numpy's global generators are left
        alone. An int gives the same network each time, at equal thread counts.
    verbose : int, default=0
        1 shows a progress bar, 2 prints a line per epoch.
    ndim : int, default=2
        Number of spatial axes where there is neither `psf` nor `operator`.
    data_range : float or None, default=None
        Span of the intensities, by which images are divided; ``None`` takes it from
        the dtype (255 for uint8), or 1.
    clip : bool, default=False
        Whether to clip the answer to ``[0, data_range_]``.
    **module__kwargs : dict
        With ``pretrained=False`` the ``module__width``, ``module__n_blocks`` and
        ``module__dropout`` of a :class:`skdeconv.networks.UNet`; ``criterion__*``,
        ``optimizer__*`` and ``callbacks__*`` parameters, passed on by skorch.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The trained net; ``net_.module_`` is the torch module.
    psf_ : ndarray or None
        The normalised PSF.
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
    skdeconv.PlugAndPlayRestorer : The same iterations with any denoiser, untrained.
    skdeconv.DeconvRestorer : Learns the degradation, too.

    Notes
    -----
    ``predict(X, psf=...)`` takes other PSFs than the one trained with, one for each
    image if need be, and ``predict(X, mask=...)`` a mask also where ``fit`` had none:
    the network learned what images look like more than how they were blurred. With
    pairs, patches are neither flipped nor turned, as the degradation would be, too.
    ``to_onnx`` is refused.

    References
    ----------
    .. [1] K. Zhang et al., "Plug-and-play image restoration with deep denoiser prior",
       IEEE TPAMI 44(10), 2022. :doi:`10.1109/TPAMI.2021.3088914`
    .. [2] K. Zhang, L. Van Gool, R. Timofte, "Deep unfolding network for image
       super-resolution", CVPR 2020. :doi:`10.1109/CVPR42600.2020.00328`

    Examples
    --------
    >>> import numpy as np
    >>> from skdeconv import Degradation, UnrolledRestorer
    >>> from skdeconv.datasets import make_dead_leaves
    >>> from skdeconv.degradations import GaussianNoise
    >>> from skdeconv.operators import Blur, gaussian_psf
    >>> clean = make_dead_leaves(8, shape=(48, 48), random_state=0)
    >>> psf = gaussian_psf(1.2)
    >>> degrade = Degradation([Blur(psf), GaussianNoise(0.01)], random_state=0)
    >>> restorer = UnrolledRestorer(
    ...     psf, degradation=degrade, max_iter=2, max_epochs=1, patch_size=24,
    ...     patches_per_epoch=8, random_state=0,
    ... )
    >>> observed, truth = degrade.pair(clean)
    >>> restorer.fit(clean).predict(observed).shape
    (8, 38, 38)
    """

    _parameter_constraints: dict = {
        **NetworkRestorer._parameter_constraints,
        "psf": PSF,
        "operator": OPERATOR,
        "pretrained": ["boolean", str, PathLike],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "boundary": [StrOptions(set(BOUNDARIES))],
        "criterion": [StrOptions(set(CRITERIA)), type],
    }
    # Not for the user to choose.
    for _name in ("module", "upscale", "augment", "compile"):
        del _parameter_constraints[_name]
    module, compile = Unrolling, False
    _takes_any_mask = True

    def __init__(
        self,
        psf: ArrayLike | None = None,
        operator: LinearOperator | None = None,
        *,
        pretrained: bool | str | PathLike = True,
        max_iter: int = 4,
        boundary: str = "extended",
        criterion: str | type[nn.Module] = "mse",
        optimizer: str | type[torch.optim.Optimizer] = "adam",
        lr: float = 1e-4,
        lr_schedule: str = "cosine",
        max_epochs: int = 5,
        max_time: float | None = None,
        batch_size: int = 4,
        accumulation_steps: int = 1,
        max_grad_norm: float | None = None,
        ema_decay: float | None = 0.99,
        patch_size: int = 96,
        patches_per_epoch: int | str = "auto",
        degradation: Degradation | None = None,
        noise_std: float | str = "auto",
        validation_fraction: float = 0.1,
        early_stopping: bool = False,
        n_iter_no_change: int = 10,
        callbacks: list | None = None,
        checkpoint: str | PathLike | None = None,
        device: str = "auto",
        precision: str = "auto",
        warm_start: bool = False,
        random_state: RandomState = None,
        verbose: int = 0,
        ndim: int = 2,
        data_range: float | None = None,
        clip: bool = False,
        **module__kwargs,
    ):
        self.psf = psf
        self.operator = operator
        self.pretrained = pretrained
        self.max_iter = max_iter
        self.boundary = boundary
        self.criterion = criterion
        self.optimizer = optimizer
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.max_epochs = max_epochs
        self.max_time = max_time
        self.batch_size = batch_size
        self.accumulation_steps = accumulation_steps
        self.max_grad_norm = max_grad_norm
        self.ema_decay = ema_decay
        self.patch_size = patch_size
        self.patches_per_epoch = patches_per_epoch
        self.degradation = degradation
        self.noise_std = noise_std
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.device = device
        self.precision = precision
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.ndim = ndim
        self.data_range = data_range
        self.clip = clip
        refuse_unknown("UnrolledRestorer", module__kwargs)
        self._kwargs = module__kwargs

    _output_shape = BaseRestorer._output_shape

    @property
    def upscale(self) -> int:
        return 1 if self.operator is None else self._refinements()[0]

    def _refinements(self):
        """How many pixels of an image make one of the data, along every axis."""
        ndim = self.operator.ndim
        one, two = (image_shape(self._physics(), (n,) * ndim) for n in (1, 2))
        return [b - a for a, b in zip(one, two, strict=True)]

    @property
    def augment(self) -> bool:
        # Pairs were degraded before they could be turned.
        directed = self.psf is not None or self.operator is not None
        return self.degradation is not None or not directed

    def _check_physics(self, *, warn: bool):
        super()._check_physics(warn=warn)
        if self.operator is None:
            return
        factors = self._refinements()
        if factors[0] < 1 or len(set(factors)) > 1:
            raise ValueError(
                "operator must take images of any size, as training cuts out patches, "
                "and make pixels of all axes coarser by one whole factor, but those "
                f"of {self.operator!r} are {factors}. PlugAndPlayRestorer takes it."
            )

    def _check_operator(self, images):
        if self.degradation is None:
            super()._check_operator(images)
        elif self.operator is not None:  # images are clean, and maybe any
            smallest = min(images.shapes, key=prod)
            shape = tuple(n // self.upscale for n in smallest)
            check_promises(self._physics(), shape)

    def _check_sense(self, images, target, weights):
        super()._check_sense(images, target, weights)
        known = self.psf is not None or self.operator is not None
        if self.degradation is None or known:
            return
        for step in self.degradation._parts():
            if isinstance(step, LinearOperator) and not isinstance(step, Identity):
                raise ValueError(
                    f"degradation does more than noise, {step!r}, but neither psf nor "
                    "operator tells what is to be undone; pass one of them, too."
                )

    def _physics(self) -> LinearOperator:
        """What is to be undone, less the masks that come last."""
        return masked_last(self._operator())[0]

    def _train(self, images, target, weights, *, restart, **how):
        images, weights = self._without_masks(images, weights)
        if restart:
            self._design = self._designed()
        super()._train(images, target, weights, restart=restart, **how)

    def _without_masks(self, images, weights):
        """Masks that come last are weights of the pixels."""
        _, masks = masked_last(self._operator())
        if not masks:
            return images, weights
        if self.degradation is not None:
            raise ValueError(
                "operator hides pixels of images of one size, but a degradation makes "
                "patches; train without that Mask, and pass a mask to predict."
            )

        def unmasked(x, weight=None):
            y, _, weight = unmask(x, self._operator(), weight)
            return y, weight

        data, shares = images.map_several(unmasked, self._compute_dtype, weights)
        return replace(images, data=data), replace(images, data=shares)

    def _check_going_on(self, built_of, weights):
        super()._check_going_on(built_of, weights)
        self.net_.module_.operator = open_outside(self._physics())

    # The network.

    def _designed(self):
        """Parameters of the denoiser, as far as they do not come from `module__*`."""
        if self.pretrained is False:
            return {}
        if given := [name for name in self._kwargs if name.startswith("module__")]:
            raise ValueError(
                f"{given[0]} describes a network that is trained from nothing; pass "
                "pretrained=False, or leave it to the weights."
            )
        network = self._denoiser()
        known = network.get_params()
        if network.module != "unet":
            raise ValueError(
                f"pretrained must be weights of a 'unet', got {network.module!r}."
            )
        names = ("width", "n_blocks", "dropout")
        design = {n: known[f"module__{n}"] for n in names if f"module__{n}" in known}
        return design | {"planes": network.n_channels_}

    def _denoiser(self):
        path = None if self.pretrained is True else self.pretrained
        return load_denoiser(path, self.n_channels_, "pretrained", device="cpu")

    def _take_weights(self):
        if self.pretrained is not False:
            weights = self._denoiser().net_.module_.state_dict()
            self.net_.module_.denoiser.load_state_dict(weights)

    def _offered(self, channels):
        return {
            "out_channels": channels,
            "operator": open_outside(self._physics()),
            "max_iter": self.max_iter,
            **self._design,
        }

    def _network_parameters(self):
        parameters = super()._network_parameters()
        own = {"max_iter": self.max_iter, "pretrained": str(self.pretrained)}
        return parameters | own

    def _restoring_module(self):
        raise ValueError(
            "UnrolledRestorer cannot be exported: its data steps are Fourier "
            "transforms and iterations. Keep it with save."
        )

    # Prediction.

    def _input(self, x, noise_std=None, weight=None):
        x, _, weight = unmask(x, self._operator(), weight)
        return super()._input(x, noise_std, weight)

    def _infer(self, x):
        return self.net_.run(self.net_.module_, x, operator=self._physics())
