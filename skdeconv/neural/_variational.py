"""Restorations drawn at random, their mean and spread."""

from collections.abc import Iterator
from numbers import Integral, Real
from os import PathLike

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from skdeconv._images import Images, Restored, is_stack
from skdeconv._params import (
    Interval,
    RandomState,
    StrOptions,
    check_parameters,
    draw_seed,
)
from skdeconv.degradations import Degradation
from skdeconv.networks._conditional_vae import ConditionalVAE
from skdeconv.neural._base import NetworkRestorer
from skdeconv.neural._building import refuse_unknown
from skdeconv.neural._evidence import Evidence
from skdeconv.restorers._base import hide

# Draws that share a pass through the encoder.
AT_ONCE = 8


class VariationalRestorer(NetworkRestorer):
    r"""Conditional variational autoencoder: one image, many restorations.

    What the degraded image x leaves open is drawn as latent variables z, and a decoder
    of transposed convolutions makes an image of both. Training maximises a lower bound
    of the likelihood of the clean images y [1]_ [2]_,

    .. math:: \operatorname{E}_{q(z|x,y)} \log p(y|x,z)
        - \beta \operatorname{KL}\bigl(q(z|x,y) \,\|\, p(z|x)\bigr),

    with normal errors of the variance that fits best [3]_. To be preferred where it
    matters how sure a restoration is.

    Parameters
    ----------
    module : {"conditional_vae"} or class of nn.Module, default="conditional_vae"
        The network, built with ``module__width`` (32), ``module__n_blocks`` (2) and
        ``module__latent_channels`` (16), the latent variables for every ``4**ndim``
        pixels. A class must have ``forward(x, noise=None, target=None)`` and
        ``latent_shape`` as it has.
    beta : float, default=1.0
        Weight of the divergence against the likelihood. 1 is the evidence lower bound;
        larger draws from closer together, with a mean of less error; smaller from
        further apart.
    free_bits : float, default=0.1
        Information in nats that a latent variable may carry without a charge, on
        average, lest all of them fall silent.
    warmup : float, default=0.3
        Part of the first training, in [0, 1), during which `beta` rises from 0.
    n_draws : int, default=32
        Restorations of which ``predict`` gives mean and standard deviation.
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
        ``module__*``, ``optimizer__*`` and ``callbacks__*`` parameters, passed on by
        skorch; they can be searched like any other.

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
    skdeconv.DeconvRestorer : One answer, a little closer to the truth.
    skdeconv.AdversarialRestorer : One answer that looks like a clean image.

    Notes
    -----
    The spread is that of the restorations, of what the latent variables tell apart; of
    errors that they leave as noise nothing is seen. It ranks pixels by how far off they
    may be, but is not a calibrated interval. ``history_`` has the parts of the loss,
    too: ``"squared_error"``, relative to the squared range, with z drawn from q, and
    ``"divergence"``, in nats for every value of an image: near 0, the latent variables
    have fallen silent, and `beta` should be smaller. ``"valid_psnr"`` is that of the
    restoration from the mean of p(z|x), which ``to_onnx`` exports, too.

    References
    ----------
    .. [1] D. P. Kingma, M. Welling, "Auto-encoding variational Bayes", ICLR 2014.
       https://arxiv.org/abs/1312.6114
    .. [2] K. Sohn, H. Lee, X. Yan, "Learning structured output representation using
       deep conditional generative models", NIPS 2015.
    .. [3] O. Rybkin, K. Daniilidis, S. Levine, "Simple and effective VAE training with
       calibrated decoders", ICML 2021. https://arxiv.org/abs/2006.13202

    Examples
    --------
    >>> import numpy as np
    >>> from skdeconv import VariationalRestorer
    >>> from skdeconv.datasets import make_dead_leaves
    >>> clean = make_dead_leaves(8, shape=(32, 32), random_state=0)
    >>> rng = np.random.default_rng(0)
    >>> noisy = clean + rng.normal(0, 0.2, clean.shape)
    >>> restorer = VariationalRestorer(max_epochs=4, module__width=8, random_state=0)
    >>> restorer.fit(noisy, clean).sample(noisy, 3, random_state=0).shape
    (3, 8, 32, 32)
    >>> mean, std = restorer.predict(noisy, return_std=True)
    >>> std.shape
    (8, 32, 32)
    """

    _modules = {"conditional_vae": ConditionalVAE}
    noise_std = "auto"
    _parameter_constraints: dict = {
        **NetworkRestorer._parameter_constraints,
        "module": [StrOptions(set(_modules)), type],
        "beta": [Interval(Real, 0, None, closed="left")],
        "free_bits": [Interval(Real, 0, None, closed="left")],
        "warmup": [Interval(Real, 0, 1, closed="left")],
        "n_draws": [Interval(Integral, 2, None, closed="left")],
    }
    # Known to networks of the user's, which may ask for it, but no parameter.
    del _parameter_constraints["noise_std"]

    def __init__(
        self,
        module: str | type[nn.Module] = "conditional_vae",
        *,
        beta: float = 1.0,
        free_bits: float = 0.1,
        warmup: float = 0.3,
        n_draws: int = 32,
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
        self.beta = beta
        self.free_bits = free_bits
        self.warmup = warmup
        self.n_draws = n_draws
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
        refuse_unknown("VariationalRestorer", module__kwargs)
        self._kwargs = module__kwargs

    def sample(
        self,
        X: Images,
        n: int = 1,
        mask: Images | None = None,
        random_state: RandomState = None,
    ) -> Restored:
        """Draw restorations at random.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
            Degraded images, in the units and with the channels of those in ``fit``.
        n : int, default=1
            Number of restorations of every image.
        mask : array-like or list, of the shapes of X, default=None
            Weights of the pixels, as in ``predict``.
        random_state : int, RandomState instance or None, default=None
            Seeds the draws. All images share the noise, so that the restorations of one
            do not depend on the others.

        Returns
        -------
        X_drawn : ndarray of shape (n, *shape of X) or list of n lists
            Every entry is what ``predict`` might have answered: restored images in the
            units of X.

        Raises
        ------
        ValueError
            If `n` is not a positive integer, or the data do not fit those of ``fit``.
        """
        if not isinstance(n, Integral) or isinstance(n, bool) or n < 1:
            raise ValueError(f"n must be a positive integer, got {n!r}.")
        seed = draw_seed(random_state)

        def infer(x):
            draws = torch.cat(list(self._draws(x, n, seed))).movedim(0, 1)
            return draws.clip(0, 1) if self.clip else draws

        drawn = self._several(X, mask, infer)
        return np.stack(drawn) if is_stack(drawn[0]) else drawn

    def predict(
        self, X: Images, mask: Images | None = None, return_std: bool = False
    ) -> Restored | tuple[Restored, Restored]:
        """Restore images by the mean of `n_draws` restorations, always the same.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
            Degraded images, in the units and with the channels of those in ``fit``.
        mask : array-like or list, of the shapes of X, default=None
            Weights of the pixels, bool or in [0, 1], where ``fit`` had one too; 0 marks
            a pixel that is missing. The channel axis may be left out.
        return_std : bool, default=False
            Whether to give the standard deviation of the restorations, too.

        Returns
        -------
        X_restored : ndarray or list, of the shapes of X
            Restored images in the units of X.
        std : ndarray or list, of the shapes of X_restored
            Standard deviation over the draws, in the units of X; only with
            `return_std`.
        """
        if not return_std:
            check_parameters(self)
            return super().predict(X, mask)

        def infer(x):
            mean, std = self._moments(x)
            return torch.stack([mean.clip(0, 1) if self.clip else mean, std], dim=1)

        return tuple(self._several(X, mask, infer))

    def _objective(self):
        return Evidence(self.beta, self.free_bits, self.warmup)

    def _check_sense(self, images, target, weights):
        super()._check_sense(images, target, weights)
        module = self._module()
        if not hasattr(module, "latent_shape"):
            raise ValueError(
                "module must have a method latent_shape and a forward(x, noise, "
                f"target), as ConditionalVAE has; got {module!r}."
            )

    def _infer(self, x):
        return self._moments(x)[0]

    def _moments(self, x):
        """Mean and standard deviation of restorations of an input of range 1."""
        center = total = squares = None
        for draws in self._draws(x, self.n_draws, seed=0):
            draws = draws.double()  # an answer must not depend on its place in a batch
            if center is None:
                center = draws.mean(dim=0)
                total, squares = torch.zeros_like(center), torch.zeros_like(center)
            apart = draws - center
            total += apart.sum(dim=0)
            squares += apart.square().sum(dim=0)
        shift = total / self.n_draws
        variance = (squares - total * shift) / (self.n_draws - 1)
        return (center + shift).float(), variance.clamp(min=0).sqrt().float()

    def _draws(self, x, n: int, seed: int) -> Iterator[Tensor]:
        """Draw restorations ``(few, batch, channels, *spatial)`` until there are n."""
        module = self.net_.module_
        generator = torch.Generator().manual_seed(seed)
        shape = module.latent_shape(self._output_shape(x[0].shape[2:]))
        for start in range(0, n, AT_ONCE):
            few = min(AT_ONCE, n - start)
            noise = torch.randn(few, *shape, generator=generator)
            yield self.net_.run(module, x, noise=noise.to(self.net_.device))

    def _several(self, X, mask, infer) -> list[Restored]:
        """Give several answers to every image: those along the second axis of infer."""
        check_is_fitted(self)
        check_parameters(self)
        images = self._check_X(X, reset=False)
        weights = self._check_mask(mask, images)

        def answer(x, weight=None):
            with torch.inference_mode():
                inputs = self._input(hide(x, weight), weight=weight)
                return self._in_parts(infer, *inputs).unbind(1)

        return images.map_several(answer, self._compute_dtype, weights)
