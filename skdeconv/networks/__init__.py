"""Networks that map ``(batch, channels, *spatial)`` to images of any size."""

from skdeconv.networks._autoencoder import Autoencoder
from skdeconv.networks._conv_transpose import ConvTransposeNet
from skdeconv.networks._deconvolution_layer import (
    conv_transpose_same,
    conv_transpose_size,
)
from skdeconv.networks._dncnn import DnCNN
from skdeconv.networks._fsrcnn import FSRCNN
from skdeconv.networks._rednet import RedNet
from skdeconv.networks._summary import NetworkSummary, network_summary
from skdeconv.networks._unet import UNet

__all__ = [
    "FSRCNN",
    "Autoencoder",
    "ConvTransposeNet",
    "DnCNN",
    "NetworkSummary",
    "RedNet",
    "UNet",
    "conv_transpose_same",
    "conv_transpose_size",
    "network_summary",
]
