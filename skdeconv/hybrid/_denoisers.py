"""Which denoiser stands behind a parameter, and how it is called."""

import warnings

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from torch import Tensor

from skdeconv._images import ImageBatch
from skdeconv.exceptions import NoiseWarning
from skdeconv.neural import PretrainedDenoiser
from skdeconv.neural._base import NetworkRestorer
from skdeconv.neural._net import takes_noise
from skdeconv.restorers import BaseRestorer
from skdeconv.restorers._denoiser import Denoiser


def default_denoiser() -> BaseRestorer:
    """Give what denoises where nothing is said."""
    return PretrainedDenoiser()


def is_trained(denoiser) -> bool:
    """Whether it is a network with weights, which a clone would lose."""
    return isinstance(denoiser, NetworkRestorer) and denoiser.__sklearn_is_fitted__()


def fitted_denoiser(
    denoiser: BaseEstimator | None,
    images: ImageBatch,
    target: ImageBatch | None,
    data_range: float,
) -> BaseRestorer:
    """Give a denoiser that can be told noise levels of images like these.

    Parameters
    ----------
    denoiser : restorer, FrozenEstimator or None
        A frozen one and a trained network are taken as they are, others cloned and
        fitted, None is the default.
    images, target : ImageBatch
        Degraded images, and clean ones or None.
    data_range : float
        Span of the intensities.

    Returns
    -------
    denoiser : BaseRestorer
        Fitted.

    Raises
    ------
    ValueError
        If it is something else than a denoiser of such images.
    """
    if isinstance(denoiser, FrozenEstimator):
        denoiser = denoiser.estimator
        if not isinstance(denoiser, BaseRestorer):
            raise ValueError(f"denoiser must be a restorer, got a frozen {denoiser!r}.")
        if not denoiser.__sklearn_is_fitted__():
            raise ValueError(f"denoiser is frozen, but not fitted: {denoiser!r}.")
    elif not is_trained(denoiser):
        denoiser = _fitted(denoiser, images, target, data_range)
    _check_sense(denoiser)
    if denoiser._n_spatial() != images.ndim:
        raise ValueError(
            f"denoiser must be one for {images.ndim} spatial axes, but "
            f"{type(denoiser).__name__} was fitted with {denoiser._n_spatial()}."
        )
    if denoiser.n_channels_ not in (1, images.n_channels):
        raise ValueError(
            f"denoiser must have been fitted with {images.n_channels} channel(s), or "
            f"with 1 to treat each alone, got {denoiser.n_channels_}."
        )
    return denoiser


def _fitted(denoiser, images, target, data_range):
    denoiser = default_denoiser() if denoiser is None else clone(denoiser)
    name = type(denoiser).__name__
    if isinstance(denoiser, NetworkRestorer) and denoiser._requires_y:
        raise ValueError(
            f"denoiser is a {name} that was not trained; pass a trained one, or one "
            "with a degradation, which is trained on y."
        )
    if getattr(denoiser, "degradation", None) is not None and target is None:
        raise ValueError(
            f"denoiser is a {name} that was not trained, and learns from clean images; "
            "pass them to fit as y, or a trained one."
        )
    known = denoiser.get_params(deep=False)
    ours = {"data_range": data_range, "ndim": images.ndim, "clip": False}
    learns = known.get("fine_tune", False) not in (False, "auto")
    if isinstance(denoiser, Denoiser) and not learns:
        ours["noise_std"] = 0.0  # it is told levels, and need not look
    denoiser.set_params(**{name: ours[name] for name in ours if name in known})
    _check_sense(denoiser)
    with warnings.catch_warnings():  # the levels that count come later
        warnings.simplefilter("ignore", NoiseWarning)
        return denoiser.fit((target or images).data)


def _check_sense(denoiser):
    """Refuse what is no denoiser, or cannot be told the noise level."""
    name, known = type(denoiser).__name__, denoiser.get_params(deep=False)
    if "noise_std" not in known:
        raise ValueError(
            f"denoiser must be a restorer that has a noise_std, got {name}."
        )
    neutrals = {"psf": None, "operator": None, "upscale": 1, "gain": None}
    for parameter, neutral in neutrals.items():
        value = known.get(parameter, neutral)
        if value is not neutral and not np.array_equal(value, neutral):
            raise ValueError(
                f"denoiser must only denoise, got {name} with {parameter}={value!r}."
            )
    net = getattr(denoiser, "net_", None)
    if net is not None and not takes_noise(net.module_):
        raise ValueError(
            "denoiser must be told the noise level, but its network takes none; train "
            f"it with module__noise_map=True, got {denoiser!r}."
        )


def denoised(
    denoiser: BaseRestorer, x: Tensor, noise_std: Tensor, data_range: float
) -> Tensor:
    """Denoise images in units of their own range.

    Parameters
    ----------
    denoiser : BaseRestorer
        Fitted; one for single channels sees each alone.
    x : Tensor of shape (batch, channels, *spatial)
        Noisy images.
    noise_std : Tensor of shape (batch,)
        Their noise levels.
    data_range : float
        Span of their intensities.

    Returns
    -------
    denoised : Tensor of the shape of x
        In the units of x.
    """
    scale, shape = denoiser.data_range_ / data_range, x.shape
    if denoiser.n_channels_ == 1:
        noise_std = noise_std.repeat_interleave(shape[1])
        x = x.flatten(0, 1)[:, None]
    answer = denoiser._restore(x * scale, noise_std=noise_std * scale)
    return torch.reshape(answer / scale, shape)
