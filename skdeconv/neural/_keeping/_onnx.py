"""Networks as ONNX models."""

import logging
import warnings
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from skdeconv import __version__
from skdeconv._io import write_aside
from skdeconv.networks._layers import enlarge

AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
# The network is traced on images that have to be padded along every axis.
TRACED = (17, 19, 23)


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
    path, module: nn.Module, n_channels: int, ndim: int, *, with_noise: bool
) -> Path:
    """Write a module of images ``(batch, n_channels, *spatial)`` of any size.

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
    ValueError
        If the module cannot be exported.
    """
    try:
        import onnx  # noqa: F401, PLC0415 - an extra
        import onnxscript  # noqa: F401, PLC0415
    except ImportError as error:
        raise ImportError(
            f"to_onnx needs {error.name}; pip install 'skdeconv[onnx]'."
        ) from error
    free = {0: "batch"} | {2 + i: name for i, name in enumerate(AXES[ndim])}
    inputs = {"degraded": (torch.zeros(2, n_channels, *TRACED[:ndim]), free)}
    if with_noise:
        inputs["noise_std"] = (torch.ones(2), {0: "batch"})
    examples, dynamic = zip(*inputs.values(), strict=True)
    try:
        with _quiet():
            program = torch.onnx.export(
                module,
                examples,
                input_names=list(inputs),
                output_names=["restored"],
                dynamic_shapes=dynamic,
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise ValueError(f"module cannot be exported for any size: {error}") from error
    model = program.model_proto
    model.producer_name, model.producer_version = "skdeconv", __version__
    return write_aside(path, lambda file: file.write(model.SerializeToString()))


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
