"""Restoration by a convolutional network."""

from copy import copy
from numbers import Integral
from os import PathLike

import torch
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skdeconv._images import Images, Restored
from skdeconv._params import Interval, RandomState, StrOptions, check_parameters
from skdeconv.degradations import Degradation
from skdeconv.neural._base import NetworkRestorer
from skdeconv.neural._building import refuse_unknown
from skdeconv.neural._ensembles import dropping_out, mean_over_turns
from skdeconv.neural._losses import CRITERIA, NEIGHBOURHOODS
from skdeconv.neural._net import local_seed
from skdeconv.neural._supervision import (
    SURE,
    Neighbor2Neighbor,
    Noise2Void,
    Supervised,
)
from skdeconv.restorers._base import PSF


class DeconvRestorer(NetworkRestorer):
    r"""Convolutional network that maps degraded images to clean ones.

    An encoder of convolutions and a decoder of transposed convolutions
    ("deconvolutions"), trained on random patches by skorch. It minimises

    .. math:: \frac1N \sum_i \ell\bigl(f_\theta(x_i), y_i\bigr)

    over pairs of degraded x and clean y. To be preferred where examples of what is
    wanted are at hand, or can be made by degrading clean photographs.

    Parameters
    ----------
    module : str or class of nn.Module, default="unet"
        The network: ``"unet"``, ``"conv_transpose"``, ``"rednet"``, ``"dncnn"``,
        ``"autoencoder"`` or ``"fsrcnn"``, of :mod:`skdeconv.networks`. A class is built
        with those of the arguments ``in_channels``, ``out_channels``, ``ndim`` and
        ``upscale`` that its constructor takes, and with `module__*`. One with a true
        attribute ``noise_map``, such as ``module__noise_map=True`` gives the default,
        is called with the noise level of every image, too.
    criterion : str or class of nn.Module, default="mse"
        Training loss, called with prediction and target: ``"mse"``, ``"l1"``,
        ``"charbonnier"``, ``"psnr"``, ``"ssim"``, ``"frequency"``, or ``"mixed"`` with
        ``criterion__weights={"ssim": 0.84, "l1": 0.16}``.
    optimizer : str or class of torch.optim.Optimizer, default="adam"
        Optimiser: ``"adam"``, ``"adamw"``, ``"muon"``, ``"nadam"``, ``"rmsprop"`` or
        ``"sgd"``. ``"muon"`` learns most from few steps, see
        :class:`skdeconv.neural.Muon`.
    lr : float, default=2e-3
        Largest learning rate.
    lr_schedule : {"cosine", "one_cycle", "plateau", "constant"}, default="cosine"
        How the learning rate evolves over the training: a rise over 5 % of the steps
        and a fall along a cosine; a long rise and a fall to nothing; halved whenever
        five epochs brought nothing to ``"valid_psnr"``, or where there is none to
        ``"train_loss"``; or not at all.
    max_epochs : int, default=100
        Epochs to train.
    max_time : float or None, default=None
        Seconds that training may take. Where they run short the schedule is driven by
        the clock, so that it still ends with small steps; the result then depends on
        the speed of the machine.
    batch_size : int, default=16
        Patches that pass through the network at once.
    accumulation_steps : int, default=1
        Batches whose gradients are added up for one step: memory of one, effect of all.
    max_grad_norm : float or None, default=0.01
        Largest norm of a gradient; longer ones are shortened. The first ones are, and
        would else rule the steps of Adam, which remembers about a thousand of them.
    ema_decay : float or None, default=None
        Decay of an exponential moving average of the weights, which becomes the model;
        0.999 averages over about the last 1000 steps.
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
        else X. Ranges of strengths, as in ``GaussianNoise((0, 55))``, are drawn from
        for every patch.
    supervision : {"noise2void", "neighbor2neighbor", "sure"} or None, default=None
        How to learn from noisy images alone, without y: from the pixels around a pixel
        [2]_, from pixels beside each other [3]_, or by Stein's estimate of the error,
        which needs the noise level [4]_. The noise must not be correlated between
        pixels, and Gaussian for ``"sure"``. A y only serves to record
        ``"valid_psnr"``. None learns from pairs; two shots of one scene are such a
        pair, too (Noise2Noise [5]_).
    psf : array-like of shape (*spatial) or None, default=None
        With a `supervision` that is not ``"neighbor2neighbor"``: the blur that stands
        between the clean image and X. The loss then compares blurred predictions with
        X, and asks that predictions which are turned, blurred and made noisy again be
        restored to themselves [6]_.
    noise_std : float or "auto", default="auto"
        Noise level of X, in its units, for ``supervision="sure"`` and for networks that
        are told; ``"auto"`` estimates it for every image, or takes that of the
        `degradation`. For ``"sure"`` it may then grow with the intensity, as that of
        counted photons does.
    upscale : int, default=1
        How many times longer the axes of y and of the answer are than those of X.
    self_ensemble : bool, default=False
        Whether ``predict`` averages over all flips and turns of an image, eight of
        them with two axes. Right where the degradation has no direction.
    n_draws : int, default=16
        Predictions that ``predict(X, return_std=True)`` draws.
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
    .. [2] A. Krull, T.-O. Buchholz, F. Jug, "Noise2Void - Learning denoising from
       single noisy images", CVPR 2019. :doi:`10.1109/CVPR.2019.00223`
    .. [3] T. Huang et al., "Neighbor2Neighbor: Self-supervised denoising from single
       noisy images", CVPR 2021. :doi:`10.1109/CVPR46437.2021.01454`
    .. [4] S. Soltanayev, S. Y. Chun, "Training deep learning based denoisers without
       ground truth data", NeurIPS 2018. https://arxiv.org/abs/1803.01314
    .. [5] J. Lehtinen et al., "Noise2Noise: Learning image restoration without clean
       data", ICML 2018. https://arxiv.org/abs/1803.04189
    .. [6] D. Chen, J. Tachella, M. E. Davies, "Robust equivariant imaging: a fully
       unsupervised framework for learning to image from noisy and partial
       measurements", CVPR 2022. https://arxiv.org/abs/2111.12855

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

    _parameter_constraints: dict = {
        **NetworkRestorer._parameter_constraints,
        "criterion": [StrOptions(set(CRITERIA)), type],
        "supervision": [StrOptions({"noise2void", "neighbor2neighbor", "sure"}), None],
        "psf": PSF,
        "self_ensemble": ["boolean"],
        "n_draws": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(
        self,
        module: str | type[nn.Module] = "unet",
        *,
        criterion: str | type[nn.Module] = "mse",
        optimizer: str | type[torch.optim.Optimizer] = "adam",
        lr: float = 2e-3,
        lr_schedule: str = "cosine",
        max_epochs: int = 100,
        max_time: float | None = None,
        batch_size: int = 16,
        accumulation_steps: int = 1,
        max_grad_norm: float | None = 0.01,
        ema_decay: float | None = None,
        patch_size: int = 64,
        patches_per_epoch: int | str = "auto",
        augment: bool = True,
        degradation: Degradation | None = None,
        supervision: str | None = None,
        psf: ArrayLike | None = None,
        noise_std: float | str = "auto",
        upscale: int = 1,
        self_ensemble: bool = False,
        n_draws: int = 16,
        validation_fraction: float = 0.1,
        early_stopping: bool = False,
        n_iter_no_change: int = 10,
        callbacks: list | None = None,
        checkpoint: str | PathLike | None = None,
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
        self.accumulation_steps = accumulation_steps
        self.max_grad_norm = max_grad_norm
        self.ema_decay = ema_decay
        self.patch_size = patch_size
        self.patches_per_epoch = patches_per_epoch
        self.augment = augment
        self.degradation = degradation
        self.supervision = supervision
        self.psf = psf
        self.noise_std = noise_std
        self.upscale = upscale
        self.self_ensemble = self_ensemble
        self.n_draws = n_draws
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.device = device
        self.precision = precision
        self.compile = compile
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.ndim = ndim
        self.data_range = data_range
        self.clip = clip
        refuse_unknown("DeconvRestorer", module__kwargs)
        self._kwargs = module__kwargs

    def predict(
        self, X: Images, mask: Images | None = None, return_std: bool = False
    ) -> Restored | tuple[Restored, Restored]:
        """Restore images.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
            Degraded images, in the units and with the channels of those in ``fit``.
        mask : array-like or list, of the shapes of X, default=None
            Weights of the pixels, bool or in [0, 1], where ``fit`` had one too; 0 marks
            a pixel that is missing. The channel axis may be left out.
        return_std : bool, default=False
            Whether to tell how far apart `n_draws` predictions are that leave features
            out at random, as in training: what the network is unsure of. It needs
            ``module__dropout``, or a module with dropout layers of its own.

        Returns
        -------
        X_restored : ndarray or list, of the shapes of X
            Restored images in the units of X; the mean over the draws, if asked for
            the standard deviation.
        std : ndarray or list, of the shapes of X_restored
            Standard deviation over the draws; only with `return_std`.

        Raises
        ------
        ValueError
            If the data do not fit those of ``fit``, or there is nothing to draw.
        """
        if not return_std:
            return super().predict(X, mask)
        check_is_fitted(self)
        check_parameters(self)
        images = self._check_X(X, reset=False)
        weights = self._check_mask(mask, images)
        # Predictions that run beside this one are not to leave anything out.
        module, n_layers = dropping_out(self.net_.module_)
        if not n_layers:
            raise ValueError(
                "return_std needs a network with dropout, got none in "
                f"{self.module!r}; fit {self._with_dropout()}, say."
            )
        twin = copy(self)
        twin.net_ = self.net_.twin(module)

        def draw(x, weight=None):
            parts = []
            # Each image with the same draws, whatever is restored beside it.
            for i in range(len(x)):
                same = [
                    v if v is None else v[[i]].expand(self.n_draws, *v.shape[1:])
                    for v in (x, weight)
                ]
                with local_seed(0, self.net_.device):
                    parts.append(torch.std_mean(twin._restore_chunk(*same), dim=0))
            std, mean = map(torch.stack, zip(*parts, strict=True))
            return mean, std

        return tuple(images.map_several(draw, self._compute_dtype, weights))

    def _with_dropout(self):
        """How to get a network that is asked for its standard deviation."""
        known = self._known("module")
        if known is None or "dropout" in known:
            return "with module__dropout=0.1"
        return "module='unet' with module__dropout=0.1, or an EnsembleRestorer"

    @property
    def _requires_y(self):
        return super()._requires_y and self.supervision is None

    @property
    def _self_supervised(self):
        return self.supervision is not None

    @property
    def _needs_noise(self):
        return self.supervision == "sure"

    def _objective(self):
        if self.supervision is None:
            return Supervised()
        if self.supervision == "neighbor2neighbor":
            return Neighbor2Neighbor()
        return {"noise2void": Noise2Void, "sure": SURE}[self.supervision](self.psf_)

    def _check_sense(self, images, target, weights):
        super()._check_sense(images, target, weights)
        if self.supervision is None:
            if self.psf_ is not None:
                raise ValueError(
                    "psf tells a network that learns without clean images what stands "
                    "between them and X; with supervision=None pass psf=None."
                )
            return
        if self.psf_ is not None and self.psf_.ndim != self.ndim:
            raise ValueError(
                f"psf must have as many axes as ndim says, got {self.psf_.ndim} and "
                f"ndim={self.ndim}."
            )
        if self.degradation is not None or self.upscale != 1:
            raise ValueError(
                f"supervision={self.supervision!r} learns from X as it is; pass "
                f"degradation=None and upscale=1, got {self.degradation!r} and "
                f"{self.upscale}."
            )
        if self.supervision == "neighbor2neighbor" and self.psf_ is not None:
            raise ValueError(
                "supervision='neighbor2neighbor' skips every other pixel and cannot "
                "take a psf; use 'noise2void' or 'sure'."
            )
        if self.supervision == "sure" and self.criterion != "mse":
            raise ValueError(
                "supervision='sure' estimates the squared error; criterion must be "
                f"'mse', got {self.criterion!r}."
            )
        if self.criterion in NEIGHBOURHOODS:
            raise ValueError(
                f"supervision={self.supervision!r} compares single pixels; criterion "
                f"must be 'mse', 'l1' or 'charbonnier', got {self.criterion!r}."
            )

    def _infer(self, x):
        if not self.self_ensemble:
            return super()._infer(x)
        infer = super()._infer
        return mean_over_turns(lambda *parts: infer(parts), *x, ndim=self.ndim)
