"""The denoiser of plain convolutions that predicts the noise."""

from torch import Tensor, nn

from skdeconv.networks._layers import BATCH_NORM, CONV, he_


class DnCNN(nn.Module):
    """Convolutions with batch normalisation that predict the noise.

    ::

        x (B, C, *n) ---------------------------------- - -> (B, C', *n)
          conv 3, ReLU                 (B, w, *n)       |
          conv 3, batch norm, ReLU     (B, w, *n)       |
            ... depth - 2 times                         |
          conv 3                       (B, C', *n) -----/

    Parameters
    ----------
    in_channels : int
        Channels of the input.
    out_channels : int
        Channels of the output; where the input has as many or more, what is predicted
        is subtracted from its first channels.
    ndim : {1, 2, 3}, default=2
        Number of spatial axes.
    width : int, default=64
        Channels of the layers between.
    depth : int, default=17
        Convolutions in all; they see ``2 * depth + 1`` pixels along each axis.

    Raises
    ------
    ValueError
        If `depth` is less than 2.

    Notes
    -----
    The network of the paper [1]_ for one noise level; that for all levels has
    ``depth=20``. Here it starts close to the identity.

    While it is trained, batch normalisation makes the answer depend on the whole batch.
    In evaluation mode it uses the running means and variances instead, which follow the
    training slowly: after few steps, answers of a network that learned well can still
    be poor. Its statistics are those of the training images; images of another range or
    noise are met worse than by networks without.

    References
    ----------
    .. [1] K. Zhang, W. Zuo, Y. Chen, D. Meng, L. Zhang, "Beyond a Gaussian denoiser:
       Residual learning of deep CNN for image denoising", IEEE TIP 26(7), 2017.
       :doi:`10.1109/TIP.2017.2662206`

    Examples
    --------
    >>> import torch
    >>> from skdeconv.networks import DnCNN
    >>> network = DnCNN(in_channels=1, out_channels=1)
    >>> network(torch.zeros(1, 1, 37, 50)).shape
    torch.Size([1, 1, 37, 50])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        ndim: int = 2,
        width: int = 64,
        depth: int = 17,
    ):
        super().__init__()
        if depth < 2:
            raise ValueError(f"depth must be at least 2, got {depth!r}.")
        conv, norm = CONV[ndim], BATCH_NORM[ndim]
        layers = [he_(conv(in_channels, width, 3, padding=1)), nn.ReLU(inplace=True)]
        for _ in range(depth - 2):
            # The normalisation has a bias of its own.
            layers.append(he_(conv(width, width, 3, padding=1, bias=False)))
            layers += [norm(width), nn.ReLU(inplace=True)]
        layers.append(he_(conv(width, out_channels, 3, padding=1), gain=0.05))
        self.layers = nn.Sequential(*layers)
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
        out = self.layers(x)
        return x[:, : self.out_channels] - out if self.residual else out
