"""Estimators that are saved, loaded and exported."""

import platform
from collections.abc import Mapping
from copy import deepcopy
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Self

import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from skdeconv import __version__
from skdeconv._params import check_parameters
from skdeconv._warnings import warn_caller
from skdeconv.neural._keeping._encoding import decode, encode, fingerprint
from skdeconv.neural._keeping._io import read_model, write_model
from skdeconv.neural._keeping._onnx import InUnits, export
from skdeconv.neural._net import bare, takes_noise

FORMAT = 1
LIBRARIES = ("torch", "skorch", "scikit-learn", "numpy", "safetensors")
# How tensors are named in the file: networks by their own names, arrays by number.
ARRAY = "array."
# What a network is trained by, and its weights do not depend on.
NOT_WEIGHTS = {"criterion", "optimizer", "callbacks", "device", "precision", "compile"}
# What a record may raise that is not one by ``save``.
BROKEN = (TypeError, LookupError, AttributeError, OverflowError, RuntimeError)


class KeepingMixin:
    """Save, load and export an estimator that holds a trained skorch net.

    A class that mixes it in implements ``_rebuild`` and ``_network_parameters``, which
    ``fit`` keeps in ``_built_of``, and overrides ``_networks`` where there is more than
    one. Its other attributes are kept as they are, and so have to be numbers, strings,
    arrays, tensors, random states or containers of these.
    """

    # Attributes that are not kept: ``_rebuild`` makes them again.
    _rebuilt = ("net_", "_built_of", "_kwargs")

    def save(self, path: str | PathLike, half: bool = False) -> Path:
        """Save the fitted estimator as one safetensors file.

        The weights are tensors; constructor parameters, the range and channels of the
        data, the history of the epochs and the versions of libraries are a readable
        JSON record in the metadata. There is no pickle, and no code. A checksum seals
        the whole file against damage; it does not tell who wrote it.

        Parameters
        ----------
        path : str or path-like
            The file, with any suffix; an existing one is replaced.
        half : bool, default=False
            Whether weights are rounded to half precision, which halves the file and
            changes the answer by about a thousandth of what the network changes.

        Returns
        -------
        path : Path
            The file.

        Raises
        ------
        OSError
            If the folder does not exist or cannot be written to.
        ValueError
            If parameters of the network were changed after ``fit``.

        Warns
        -----
        UserWarning
            If there are `callbacks`: they are not kept.

        Notes
        -----
        Parameters that are code, such as a `module` class of one's own, are kept by
        name only, and have to be given to :meth:`load`. The state of the optimiser is
        not kept: training that goes on starts it anew.
        """
        check_is_fitted(self)
        if changed := self._changed():
            raise ValueError(
                f"{changed} changed since fit, and the weights belong to the old ones; "
                "fit again, or set them back."
            )
        arrays = []
        parameters = self._kept_parameters()
        record = {
            "format": FORMAT,
            "class": type(self).__name__,
            "versions": {
                "skdeconv": __version__,
                "python": platform.python_version(),
                **{name: version(name) for name in LIBRARIES},
            },
            "parameters": {n: _attempt(v, arrays) for n, v in parameters.items()},
            "fitted": {
                n: encode(v, arrays) for n, v in self._kept_attributes().items()
            },
            "history": [_kept_row(row) for row in self._history()],
        }
        tensors = {f"{ARRAY}{i}": array for i, array in enumerate(arrays)}
        for name, network in self._networks().items():
            for key, tensor in bare(network).state_dict().items():
                rounds = half and tensor.is_floating_point()
                tensors[f"{name}.{key}"] = tensor.half() if rounds else tensor
        return write_model(path, record, tensors)

    @classmethod
    def load(cls, path: str | PathLike, **parameters) -> Self:
        """Load an estimator that was saved by :meth:`save`.

        Nothing in the file is run: classes are looked up by name among those of this
        library, and whatever else was code when it was saved has to be given.

        Parameters
        ----------
        path : str or path-like
            The file.
        **parameters : dict
            Constructor parameters that replace those in the file, such as ``module=``
            for a class of one's own.

        Returns
        -------
        estimator : object
            The fitted estimator. It answers as the saved one does, bit for bit on the
            same machine.

        Raises
        ------
        ValueError
            If the file is no such model, was changed or cut short, holds another class,
            was written by a newer version, or needs a parameter that is not given.

        Notes
        -----
        Where the machine lacks the `device` in the file, it becomes ``"auto"``.
        """
        record, tensors = read_model(path)
        found, kept = record.get("format"), record.get("class")
        if not isinstance(found, int) or found > FORMAT:
            raise ValueError(
                f"{str(path)!r} has format {found!r}, but this version of skdeconv "
                f"reads formats up to {FORMAT}; update skdeconv."
            )
        if kept != cls.__name__:
            raise ValueError(
                f"{str(path)!r} holds a {kept}, not a {cls.__name__}; call {kept}.load."
            )
        try:
            return cls._from_record(record, tensors, parameters)
        except BROKEN as error:
            raise ValueError(
                f"{cls.__name__} cannot be made of {str(path)!r}: {error}."
            ) from error

    @classmethod
    def _from_record(cls, record, tensors, given):
        arrays = {
            int(name.removeprefix(ARRAY)): tensor
            for name, tensor in tensors.items()
            if name.startswith(ARRAY)
        }
        replaced = {*given} | {
            name
            for name in record["parameters"]
            if _is_replaced(name.partition("__")[0], record["parameters"], given)
        }
        parameters = {
            name: _decode_parameter(cls, name, value, arrays)
            for name, value in record["parameters"].items()
            if name not in replaced
        }
        if "device" in parameters and not _is_here(parameters["device"]):
            parameters["device"] = "auto"
        estimator = cls(**parameters | given)
        check_parameters(estimator)
        for name, value in record["fitted"].items():
            if name in cls._rebuilt or hasattr(estimator, name):
                raise ValueError(f"{name!r} is no fitted attribute of {cls.__name__}.")
            setattr(estimator, name, decode(value, arrays))
        estimator._rebuild()
        for name, network in estimator._networks().items():
            _load_weights(network, name, tensors)
        rows = [decode({"dict": row}, {}) for row in record["history"]]
        estimator._history().extend(row | {"batches": []} for row in rows)
        return estimator

    def to_onnx(self, path: str | PathLike) -> Path:
        """Export the trained network as an ONNX model.

        The model maps ``degraded``, float32 of shape ``(batch, channels, *spatial)`` in
        the units of the data, to ``restored``, as ``predict`` does: the division by
        ``data_range_``, the way back and `clip` are part of it. Batch and sizes are
        free; the number of channels is that of ``fit``, which is 1 for images without
        a channel axis. A network with a ``noise_map`` takes the noise level of each
        image, in the units of the data, as a second input ``noise_std`` of shape
        ``(batch,)``. Needs the extra ``onnx``.

        The network is applied once, without `self_ensemble`. One that was fitted with a
        mask takes all pixels for seen.

        Parameters
        ----------
        path : str or path-like
            The file; an existing one is replaced.

        Returns
        -------
        path : Path
            The file.

        Raises
        ------
        ImportError
            If the extra is not installed.
        ValueError
            If the network cannot be exported, or the model does not answer as the
            network does, which onnxruntime checks on two sizes.
        """
        check_is_fitted(self)
        with_noise = takes_noise(bare(self.net_.module_))
        return export(
            path,
            self._restoring_module(),
            self.n_channels_,
            self._n_spatial(),
            data_range=self.data_range_,
            with_noise=with_noise,
        )

    def _restoring_module(self) -> nn.Module:
        """A copy on the CPU of what maps images to images in the units of the data."""
        network = deepcopy(bare(self.net_.module_)).cpu().float()
        return InUnits(
            network,
            self.data_range_,
            clip=self.clip,
            enlarge_by=self.net_.enlarge_by,
            masked=self._masked,
        ).eval()

    def _networks(self) -> dict[str, nn.Module]:
        """The networks whose weights are kept, by the names they have in the file."""
        return {"net": self.net_.module_}

    def _rebuild(self) -> None:
        """Build the networks of an estimator that has all other fitted attributes."""
        raise NotImplementedError

    def _history(self) -> list[dict]:
        """What was recorded of each epoch."""
        return self.net_.history

    def _changed(self) -> list[str]:
        """Parameters that are no longer those of which the networks were built."""
        now = self._network_parameters()
        return [
            name
            for name, value in self._built_of.items()
            if name.partition("__")[0] not in NOT_WEIGHTS
            and fingerprint(now.get(name)) != fingerprint(value)
        ]

    def _kept_attributes(self) -> dict:
        others = {*self._rebuilt, *self.get_params(deep=False)}
        return {name: v for name, v in vars(self).items() if name not in others}

    def _kept_parameters(self) -> dict:
        parameters = self.get_params(deep=False)
        if not parameters.get("callbacks"):
            return parameters
        warn_caller(
            "callbacks are not kept; give them to load if training shall go on.",
            UserWarning,
        )
        return {
            name: value
            for name, value in parameters.items()
            if name.partition("__")[0] != "callbacks"
        }


def _attempt(value, arrays):
    """Encode a parameter, or name what load has to be given."""
    before = len(arrays)
    try:
        return encode(value, arrays)
    except TypeError:
        del arrays[before:]
        kind = value if isinstance(value, type) else type(value)
        return {"given": kind.__qualname__}


def _is_replaced(part, kept, given):
    """Whether a part of a net, such as its optimizer, gives way to another one.

    What is passed on to it goes with it, unless it was code that had to be given.
    """
    known = isinstance(kept.get(part), str)
    return known and part in given and given[part] != kept[part]


def _decode_parameter(cls, name, value, arrays):
    if isinstance(value, Mapping) and "given" in value:
        raise ValueError(
            f"{name} was code of its own, {value['given']}, which a file cannot hold; "
            f"call {cls.__name__}.load(path, {name}=...)."
        )
    return decode(value, arrays)


def _kept_row(row):
    """What is known of an epoch, without its batches."""
    kept = {}
    for name, value in row.items():
        # Callbacks may record anything.
        if name != "batches" and not isinstance(value, list | dict | tuple):
            try:
                kept[name] = encode(value, [])
            except TypeError:
                continue
    return kept


def _load_weights(network: nn.Module, name: str, tensors: dict[str, Tensor]) -> None:
    prefix = f"{name}."
    weights = {
        key.removeprefix(prefix): tensor
        for key, tensor in tensors.items()
        if key.startswith(prefix)
    }
    try:
        bare(network).load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"the weights do not fit the module: {error}") from error


def _is_here(device) -> bool:
    """Whether the machine has a device."""
    if device == "auto" or not isinstance(device, str):
        return True
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        return False
    return True
