"""Restoration that looks like clean images, by two networks that compete."""

from numbers import Integral, Real
from os import PathLike

import torch
from torch import nn

from skdeconv._params import Interval, RandomState, StrOptions
from skdeconv.degradations import Degradation
from skdeconv.neural._base import NetworkRestorer
from skdeconv.neural._building import refuse_unknown
from skdeconv.neural._losses import CRITERIA
from skdeconv.neural._rivalry import LOSSES, Adversarial


class AdversarialRestorer(NetworkRestorer):
    r"""Network whose restorations another network should take for clean images.

    A regression answers the mean of all that may have been, which is smooth where
    texture was lost. Here a discriminator d learns to tell patches of restored images
    from clean ones, and the restorer f to deceive it [1]_:

    .. math:: \frac1N \sum_i \ell\bigl(f_\theta(x_i), y_i\bigr)
        - \lambda \, d\bigl(f_\theta(x_i)\bigr)

    for the hinge loss. The weight :math:`\lambda` trades perception against distortion:
    no restorer can have the best of both [2]_. To be preferred where images are to be
    looked at; the texture is plausible, not measured.

    Parameters
    ----------
    module : str or class of nn.Module, default="unet"
        The network that restores, by name or class as for
        :class:`~skdeconv.DeconvRestorer`.
    criterion : str or class of nn.Module, default="mse"
        Loss that ties the answer to the clean image, by name or class as for
        :class:`~skdeconv.DeconvRestorer`.
    adversarial_loss : {"hinge", "relativistic"}, default="hinge"
        What the two networks play for: verdicts beyond a margin [3]_, or verdicts that
        are better than those on the others [4]_.
    adversarial_weight : float, default=0.003
        Weight of the adversarial loss against the `criterion`, without unit, both being
        of images divided by `data_range`. 0 is plain regression, the least distortion,
        and the same as :class:`~skdeconv.DeconvRestorer`; larger looks more like clean
        images and is further from the true one. With ``"mse"`` what is useful lies
        about 0.0003 to 0.01.
    warmup : float, default=0.25
        Part of the first training, in [0, 1), that is plain regression, so that the
        discriminator begins with what is worth judging.
    discriminator_width : int, default=32
        Channels of the first layer of the discriminator.
    discriminator_lr : float or None, default=None
        Largest learning rate of the discriminator, which follows `lr_schedule`, too;
        None takes `lr`.
    optimizer : str or class, default="adam"
        ``"adam"``, ``"adamw"``, ``"muon"``, ``"nadam"``, ``"rmsprop"``, ``"sgd"``, or a
        subclass of ``torch.optim.Optimizer``.
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
        Largest norm of a gradient; longer ones are shortened.
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
    noise_std : float or "auto", default="auto"
        Noise level of X, in its units, for networks that are told; ``"auto"`` estimates
        it for every image, or takes that of the `degradation`.
    upscale : int, default=1
        How many times longer the axes of y and of the answer are than those of X.
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
    skdeconv.DeconvRestorer : Least distortion; learns from noisy images, too.
    skdeconv.VariationalRestorer : Many restorations of one image, and their spread.

    Notes
    -----
    The discriminator is a chain of convolutions with spectral normalisation that judges
    patches of 33 pixels, of the restored images alone: what ties them to the degraded
    ones is the `criterion`. ``history_`` has its part of the loss, too:
    ``"regression_loss"``, ``"adversarial_loss"`` and ``"discriminator_loss"``, means of
    the epochs after the `warmup`. ``"valid_psnr"`` measures distortion only, and
    `early_stopping` by it prefers weights that were little deceptive.

    The discriminator is kept with the fitted restorer and in its pickles, so that
    ``partial_fit`` and `warm_start` go on with it; ``save`` leaves it out.

    References
    ----------
    .. [1] C. Ledig et al., "Photo-realistic single image super-resolution using a
       generative adversarial network", CVPR 2017. :doi:`10.1109/CVPR.2017.19`
    .. [2] Y. Blau, T. Michaeli, "The perception-distortion tradeoff", CVPR 2018.
       :doi:`10.1109/CVPR.2018.00652`
    .. [3] J. H. Lim, J. C. Ye, "Geometric GAN", 2017. https://arxiv.org/abs/1705.02894
    .. [4] A. Jolicoeur-Martineau, "The relativistic discriminator: a key element
       missing from standard GAN", ICLR 2019. https://arxiv.org/abs/1807.00734

    Examples
    --------
    >>> import numpy as np
    >>> from skdeconv import AdversarialRestorer
    >>> from skdeconv.datasets import make_dead_leaves
    >>> clean = make_dead_leaves(8, shape=(32, 32), random_state=0)
    >>> rng = np.random.default_rng(0)
    >>> noisy = clean + rng.normal(0, 0.2, clean.shape)
    >>> restorer = AdversarialRestorer(
    ...     max_epochs=2, module__width=8, discriminator_width=8, random_state=0
    ... )
    >>> restored = restorer.fit(noisy, clean).predict(noisy)
    >>> restored.shape
    (8, 32, 32)
    """

    _parameter_constraints: dict = {
        **NetworkRestorer._parameter_constraints,
        "criterion": [StrOptions(set(CRITERIA)), type],
        "adversarial_loss": [StrOptions(set(LOSSES))],
        "adversarial_weight": [Interval(Real, 0, None, closed="left")],
        "warmup": [Interval(Real, 0, 1, closed="left")],
        "discriminator_width": [Interval(Integral, 1, None, closed="left")],
        "discriminator_lr": [Interval(Real, 0, None, closed="neither"), None],
    }

    def __init__(
        self,
        module: str | type[nn.Module] = "unet",
        *,
        criterion: str | type[nn.Module] = "mse",
        adversarial_loss: str = "hinge",
        adversarial_weight: float = 0.003,
        warmup: float = 0.25,
        discriminator_width: int = 32,
        discriminator_lr: float | None = None,
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
        noise_std: float | str = "auto",
        upscale: int = 1,
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
        self.adversarial_loss = adversarial_loss
        self.adversarial_weight = adversarial_weight
        self.warmup = warmup
        self.discriminator_width = discriminator_width
        self.discriminator_lr = discriminator_lr
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
        self.noise_std = noise_std
        self.upscale = upscale
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
        refuse_unknown("AdversarialRestorer", module__kwargs)
        self._kwargs = module__kwargs

    def _objective(self):
        return Adversarial(
            self.adversarial_loss,
            self.adversarial_weight,
            self.warmup,
            self.discriminator_lr,
            channels=self.n_channels_,
            ndim=self.ndim,
            width=self.discriminator_width,
        )

    def _network_parameters(self):
        return super()._network_parameters() | {
            "discriminator_width": self.discriminator_width
        }
