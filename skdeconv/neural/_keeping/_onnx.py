"""Networks as ONNX models."""

import logging
import warnings
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from skdeconv import __version__
from skdeconv._io import destination, write_aside
from skdeconv.networks._layers import enlarge

AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
# The network is traced on images that have to be padded along every axis.
TRACED = (17, 19, 23)
# And checked on others: one that needs padding, and one that does not.
CHECKED = ((20, 27, 18), (32, 24, 24))
TOLERANCE = 1e-4


class InUnits(nn.Module):
    """A network of images of range 1, on images in the units of the data.

    Parameters
    ----------
    network : nn.Module
        Takes and gives images divided by `data_range`.
    data_range : float
        Span of the intensities.
    clip : bool
        Whether to clip the answer to ``[0, data_range]``.
    enlarge_by : int
        Factor by which images are interpolated before the network sees them.
    masked : bool
        Whether the network sees weights of pixels beside them; all are 1.
    """

    def __init__(
        self,
        network: nn.Module,
        data_range: float,
        *,
        clip: bool,
        enlarge_by: int,
        masked: bool,
    ):
        super().__init__()
        self.network, self.data_range, self.clip = network, data_range, clip
        self.enlarge_by, self.masked = enlarge_by, masked

    def forward(self, x: Tensor, noise_std: Tensor | None = None) -> Tensor:
        x = x / self.data_range
        if self.masked:
            x = torch.cat([x, torch.ones_like(x)], dim=1)
        levels = () if noise_std is None else (noise_std / self.data_range,)
        restored = self.network(enlarge(x, self.enlarge_by), *levels) * self.data_range
        return restored.clamp(0.0, self.data_range) if self.clip else restored


def export(
    path,
    module: nn.Module,
    n_channels: int,
    ndim: int,
    *,
    data_range: float,
    with_noise: bool,
) -> Path:
    """Write a module of images ``(batch, n_channels, *spatial)`` of any size.

    Before that, onnxruntime is compared with the module on sizes it was not traced on.

    Parameters
    ----------
    path : path-like
        Destination; an existing file is replaced when the new one is complete.
    module : nn.Module
        On the CPU, for evaluation.
    n_channels : int
        Channels of the input.
    ndim : int
        Number of spatial axes.
    data_range : float
        Span of the intensities.
    with_noise : bool
        Whether the module takes noise levels ``(batch,)`` after the images.

    Returns
    -------
    path : Path
        The destination.

    Raises
    ------
    ImportError
        If the extra ``onnx`` is not installed.
    OSError
        If the destination is a folder, or lies in one that does not exist.
    ValueError
        If the module cannot be exported, or not for all sizes.
    """
    try:
        import onnx  # noqa: F401, PLC0415 - an extra
        import onnxscript  # noqa: F401, PLC0415
        from onnxruntime import InferenceSession, SessionOptions  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(
            f"to_onnx needs {error.name}; pip install 'skdeconv[onnx]'."
        ) from error
    path = destination(path)
    names = ["degraded", "noise_std"] if with_noise else ["degraded"]
    free = {0: "batch"} | {2 + i: name for i, name in enumerate(AXES[ndim])}
    try:
        with _quiet():
            program = torch.onnx.export(
                module,
                _example(names, (2, n_channels, *TRACED[:ndim]), data_range),
                input_names=names,
                output_names=["restored"],
                dynamic_shapes=(free, {0: "batch"})[: len(names)],
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise ValueError(f"module cannot be exported for any size: {error}") from error
    model = program.model_proto
    model.producer_name, model.producer_version = "skdeconv", __version__
    content = model.SerializeToString()
    options = SessionOptions()
    options.log_severity_level = 4  # what fails is raised
    session = InferenceSession(content, options, providers=["CPUExecutionProvider"])
    for batch, size in enumerate(CHECKED, start=1):
        inputs = _example(names, (batch, n_channels, *size[:ndim]), data_range)
        _check(session, names, module, inputs, data_range)
    return write_aside(path, lambda file: file.write(content))


def _example(names, shape, data_range):
    """Images, and noise levels where the module takes them."""
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    levels = torch.full(shape[:1], 0.1)
    return (images * data_range, levels * data_range)[: len(names)]


def _check(session, names, module, inputs, data_range):
    """Refuse a model that does not answer as the module does."""
    shape = tuple(inputs[0].shape)
    with torch.inference_mode():
        expected = module(*inputs).numpy()
    given = dict(zip(names, (x.numpy() for x in inputs), strict=True))
    try:
        answer = session.run(None, given)[0]
    except Exception as error:  # onnxruntime has no common class for them
        raise ValueError(
            f"module was exported, but fails on images of shape {shape}: {error}"
        ) from error
    if answer.shape != expected.shape:
        raise ValueError(
            f"module was exported, but answers {shape} by {answer.shape} instead of "
            f"{expected.shape}."
        )
    error = abs(answer - expected).max()
    if not error <= TOLERANCE * max(data_range, abs(expected).max()):
        raise ValueError(
            f"module was exported, but is wrong by {error:.2g} on images of shape "
            f"{shape}."
        )


@contextmanager
def _quiet():
    """Silence what torch tells of its own deprecations, and of missing torchvision."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
