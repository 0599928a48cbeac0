"""The net that a restorer holds: what it is built of, and a look at what it does."""

import inspect
from collections import Counter

import torch
from sklearn.base import clone
from skorch.callbacks import LRScheduler, PrintLog
from torch import nn

from skdeconv.networks import (
    FSRCNN,
    Autoencoder,
    ConvTransposeNet,
    DnCNN,
    RedNet,
    UNet,
)
from skdeconv.networks._layers import constructor_arguments
from skdeconv.neural._keeping import fingerprint
from skdeconv.neural._losses import CRITERIA
from skdeconv.neural._muon import Muon
from skdeconv.neural._net import RestorationNet, has_bfloat16, local_seed
from skdeconv.neural._patches import PatchLoader

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
# Those of skorch's own callbacks that training does without.
CALLBACKS = {"epoch_timer", "print_log"}


class BuildingMixin:
    """Build a skorch net of the parameters of a restorer, and refuse what is wrong.

    A class that mixes it in has the parameters of ``NetworkRestorer``, an
    ``_objective`` and ``_own_callbacks``.
    """

    # Networks by name.
    _modules = MODULES

    def _check_parts(self):
        """Refuse classes, callbacks and parameters that no net can be built of."""
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
        optimizer = self._optimizer()
        if isinstance(optimizer, type) and _repeats(optimizer):
            raise ValueError(
                "optimizer must make a step of one gradient, but "
                f"{optimizer.__name__} wants to compute the loss anew within each; "
                f"take another, such as {sorted(OPTIMIZERS)}."
            )
        for callback in self.callbacks or ():
            named = isinstance(callback, tuple) and len(callback) == 2
            if not hasattr(callback[1] if named else callback, "on_train_begin"):
                raise ValueError(
                    f"callbacks must be a list of skorch callbacks, got {callback!r} "
                    "in it."
                )
            scheduler = callback[1] if named else callback
            if isinstance(scheduler, LRScheduler) and self.lr_schedule != "constant":
                raise ValueError(
                    "callbacks has an LRScheduler, which needs lr_schedule='constant', "
                    f"got {self.lr_schedule!r}."
                )
        for name in self._kwargs:
            part, _, parameter = name.partition("__")
            known = self._known(part)
            if part == "callbacks":
                parameter = parameter.partition("__")[0]
            if known is not None and parameter not in known:
                raise ValueError(
                    f"{name} cannot be passed on: {part}={getattr(self, part, None)!r} "
                    f"knows no {parameter!r}, but "
                    f"{', '.join(sorted(known))}."
                )

    def _known(self, part):
        """Names that can be passed on to a part of the net; None where any can be."""
        if part == "callbacks":
            return CALLBACKS | _names(self.callbacks or ())
        built = {
            "module": self._module(),
            "criterion": self._criterion(),
            "optimizer": self._optimizer(),
        }[part]
        parameters = inspect.signature(built).parameters
        if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            return None
        if part == "optimizer":
            # The weights come from the module; skorch sorts them into groups.
            return {*parameters, "param_groups"} - {"params"}
        return {*parameters}

    def _network_parameters(self):
        """What a network is built of, and cannot be changed by training on."""
        names = (
            "module",
            "criterion",
            "optimizer",
            "callbacks",
            "device",
            "precision",
            "compile",
        )
        built_of = {name: getattr(self, name, None) for name in names} | self._kwargs
        return built_of | {
            "ndim": self._n_spatial(),
            "upscale": self.upscale,
            "channels": self.n_channels_,
        }

    def _rebuild(self):
        self._check_parts()  # no optimiser is made that would complain
        device, callbacks = self._device(), self._own_callbacks(self.lr_schedule, 1)
        self.net_ = self._build(self.n_channels_, callbacks, device)
        self.net_.only_predicts = True
        with local_seed(0, device):
            self._initialize()
        self.net_.module_.eval()
        self._built_of = self._network_parameters()

    def _initialize(self):
        try:
            self.net_.initialize()
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"module, criterion, optimizer or callbacks cannot be built: {error}; "
                f"check the parameters passed on, here {self._kwargs}."
            ) from error

    def _build(self, channels, callbacks, device):
        module = self._module()
        known = constructor_arguments(module)
        offered = self._offered(channels)
        built = {f"module__{k}": v for k, v in offered.items() if k in known}
        low = {
            "auto": (has_bfloat16(device, self.ndim), False),
            "float32": (False, False),
            "bfloat16": (True, True),
        }[self.precision]
        user = clone(self.callbacks, safe=False) or []
        logging = {"callbacks__print_log": PrintLog() if self.verbose > 1 else None}
        return RestorationNet(
            module,
            self._criterion(),
            objective=self._objective(),
            optimizer=self._optimizer(),
            lr=self.lr,
            max_epochs=self.max_epochs,
            iterator_train=PatchLoader,
            train_split=None,
            callbacks=[*callbacks, *user],
            device=device,
            verbose=int(self.verbose > 1),
            compile=self.compile,
            enlarge_by=1 if "upscale" in known else offered.get("upscale", 1),
            train_bfloat16=low[0],
            infer_bfloat16=low[1],
            **logging | built | self._kwargs,
        )

    def _offered(self, channels):
        """Arguments of the module, those that it takes."""
        return {
            # Weights of the pixels come in as channels of their own.
            "in_channels": (1 + self._masked) * channels,
            "out_channels": channels,
            "ndim": self._n_spatial(),
            "upscale": self.upscale,
        }

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
            answer = self._answers(x)
            shape = tuple(answer.shape)
        except (RuntimeError, TypeError, AttributeError) as error:
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

    def _module(self):
        return self._modules.get(self.module, self.module)

    def _optimizer(self):
        return OPTIMIZERS.get(self.optimizer, self.optimizer)

    def _criterion(self):
        criterion = getattr(self, "criterion", "mse")
        return CRITERIA.get(criterion, criterion)

    def _check_going_on(self, built_of, weights):
        old = self._built_of
        changed = sorted(
            name
            for name, value in built_of.items()
            if fingerprint(old.get(name)) != fingerprint(value)
        )
        if self._masked != (weights is not None):
            changed.append("mask")
        if changed:
            raise ValueError(
                "training goes on with the network of the last fit, but "
                f"{changed} changed; fit with warm_start=False to start anew."
            )


def _names(callbacks):
    """Names that skorch gives to callbacks."""
    names, unnamed = set(), Counter()
    for callback in callbacks:
        if isinstance(callback, tuple):
            names.add(callback[0])
        else:
            kind = callback if isinstance(callback, type) else type(callback)
            unnamed[kind.__name__] += 1
    for name, n in unnamed.items():
        names |= {name} if n == 1 else {f"{name}_{i + 1}" for i in range(n)}
    return names


def refuse_unknown(restorer: str, kwargs: dict) -> None:
    """Refuse keywords that are not passed on to skorch."""
    for name in kwargs:
        if not name.startswith(PREFIXES):
            raise TypeError(
                f"{restorer}() got an unexpected keyword argument {name!r}; only "
                f"{', '.join(prefix + '*' for prefix in PREFIXES)} are passed on."
            )


def _repeats(optimizer):
    """Whether an optimizer computes the loss anew within each step, as LBFGS does."""
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    return closure is not None and closure.default is closure.empty
