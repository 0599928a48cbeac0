"""Convolutions and deconvolutions that mirror each other, joined by skips."""

from torch import Tensor, nn

from skdeconv.networks._layers import CONV, CONV_TRANSPOSE, he_


class RedNet(nn.Module):
    """As many deconvolutions as convolutions, joined in pairs by skips (RED-Net).

    ::

        x (B, C, *n) ------------------------- + -> (B, C', *n)
          conv 3, ReLU                     deconv 3
          conv 3, ReLU                     deconv 3, ReLU
            --------------------------------- +, ReLU
            conv 3, ReLU                 deconv 3
            conv 3, ReLU                 deconv 3, ReLU
              ------------------------------- +, ReLU
                       ...         ...

    All layers have `width` channels and the full resolution. The convolutions take
    noise away and lose details with it, the deconvolutions bring the details back from
    the skips, which join every second convolution, and the input, to the deconvolution
    of the same depth.

    Parameters
    ----------
    in_channels : int
        Channels of the input.
    out_channels : int
        Channels of the output; where the input has as many or more, what is predicted
        is added to its first channels.
    ndim : {1, 2, 3}, default=2
        Number of spatial axes.
    width : int, default=64
        Channels of all layers.
    depth : int, default=20
        Layers in all; half of them are convolutions, the other half deconvolutions.

    Raises
    ------
    ValueError
        If `depth` is not an even number of 2 or more.

    Notes
    -----
    The paper [1]_ has depths of 10, 20 and 30; its largest network is ``depth=30,
    width=128``. The weights here are drawn so that the network starts close to the
    identity. Kernels of stride 1 overlap evenly, hence no checkerboards.

    References
    ----------
    .. [1] X.-J. Mao, C. Shen, Y.-B. Yang, "Image restoration using very deep
       convolutional encoder-decoder networks with symmetric skip connections",
       NIPS 2016. https://arxiv.org/abs/1603.09056

    Examples
    --------
    >>> import torch
    >>> from skdeconv.networks import RedNet
    >>> network = RedNet(in_channels=1, out_channels=1, depth=10)
    >>> network(torch.zeros(1, 1, 37, 50)).shape
    torch.Size([1, 1, 37, 50])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        ndim: int = 2,
        width: int = 64,
        depth: int = 20,
    ):
        super().__init__()
        if depth < 2 or depth % 2:
            raise ValueError(f"depth must be an even number from 2, got {depth!r}.")
        conv, deconv = CONV[ndim], CONV_TRANSPOSE[ndim]
        inner = [width] * (depth // 2)
        sizes = [in_channels, *inner]
        self.convs = nn.ModuleList(
            he_(conv(a, b, 3, padding=1)) for a, b in zip(sizes, inner, strict=False)
        )
        # Small, so that the signal does not grow from one sum to the next.
        self.deconvs = nn.ModuleList(
            he_(deconv(width, width, 3, padding=1), gain=0.5) for _ in inner[1:]
        )
        last = deconv(width, out_channels, 3, padding=1)
        nn.init.normal_(last.weight, std=1e-3)
        nn.init.zeros_(last.bias)
        self.deconvs.append(last)
        self.relu = nn.ReLU(inplace=True)
        self.out_channels = out_channels
        self.residual = in_channels >= out_channels

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
        features, skips = x, []
        for depth, conv in enumerate(self.convs):
            skips.append(None if depth % 2 else features)
            features = self.relu(conv(features))
        for deconv in self.deconvs[:-1]:
            features, skip = deconv(features), skips.pop()
            features = self.relu(features if skip is None else features + skip)
        out = self.deconvs[-1](features)
        return x[:, : self.out_channels] + out if self.residual else out
