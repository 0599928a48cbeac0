"""The plain encoder-decoder of convolutions and transposed convolutions."""

from torch import Tensor, nn

from skdeconv.networks._layers import CONV, CONV_TRANSPOSE, crop, pad_to_multiple


class ConvTransposeNet(nn.Module):
    """Two convolutions down, two transposed convolutions ("deconvolutions") back up.

    ::

        x (B, C, *n)
          conv 3, stride 2, ReLU            (B, w, *n/2)
          conv 3, stride 2, ReLU            (B, 2w, *n/4)
          conv transpose 3, stride 2, ReLU  (B, w, *n/2)
          conv transpose 3, stride 2        (B, C', *n)

    Images of any size are padded inside to a multiple of 4 by repeating their last
    pixels. There are no skips: everything passes through the features at a quarter of
    the resolution.

    Parameters
    ----------
    in_channels : int
        Channels of the input.
    out_channels : int
        Channels of the output.
    ndim : int, default=2
        Number of spatial axes.
    width : int, default=32
        Channels of the first convolution; the second has twice as many.

    References
    ----------
    .. [1] M. D. Zeiler, D. Krishnan, G. W. Taylor, R. Fergus, "Deconvolutional
       networks", CVPR 2010. :doi:`10.1109/CVPR.2010.5539957`
    .. [2] V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning",
       2016. https://arxiv.org/abs/1603.07285

    Examples
    --------
    >>> import torch
    >>> from skdeconv.networks import ConvTransposeNet
    >>> network = ConvTransposeNet(in_channels=3, out_channels=3)
    >>> network(torch.zeros(1, 3, 37, 50)).shape
    torch.Size([1, 3, 37, 50])
    """

    def __init__(
        self, in_channels: int, out_channels: int, ndim: int = 2, width: int = 32
    ):
        super().__init__()
        self.ndim = ndim
        conv, conv_transpose = CONV[ndim], CONV_TRANSPOSE[ndim]
        up = {"stride": 2, "padding": 1, "output_padding": 1}
        self.layers = nn.Sequential(
            conv(in_channels, width, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            conv(width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            conv_transpose(2 * width, width, 3, **up),
            nn.ReLU(inplace=True),
            conv_transpose(width, out_channels, 3, **up),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map images to images of the same size.

        Parameters
        ----------
        x : Tensor of shape (batch, in_channels, *spatial)
            Images of any size.

        Returns
        -------
        y : Tensor of shape (batch, out_channels, *spatial)
            Images of the size of `x`.
        """
        shape = tuple(x.shape[-self.ndim :])
        return crop(self.layers(pad_to_multiple(x, 4, self.ndim)), shape)
