"""Training criteria, by name."""

from torch import Tensor, nn


class CharbonnierLoss(nn.Module):
    r"""Smooth absolute error: the mean of :math:`\sqrt{(p - t)^2 + \epsilon^2}`.

    Parameters
    ----------
    epsilon : float, default=1e-3
        Where the error turns from quadratic to linear, as a fraction of the data range.

    References
    ----------
    .. [1] P. Charbonnier et al., "Two deterministic half-quadratic regularization
       algorithms for computed imaging", ICIP 1994. :doi:`10.1109/ICIP.1994.413553`

    Examples
    --------
    >>> import torch
    >>> from skdeconv.neural import CharbonnierLoss
    >>> float(CharbonnierLoss(epsilon=1.0)(torch.zeros(4), torch.zeros(4)))
    1.0
    """

    def __init__(self, epsilon: float = 1e-3):
        super().__init__()
        self.epsilon = epsilon

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare predictions with targets.

        Parameters
        ----------
        prediction : Tensor
            Restored images, divided by the data range.
        target : Tensor of the shape of `prediction`
            Clean images, divided by the data range.

        Returns
        -------
        loss : Tensor
            Mean over all elements, a scalar.
        """
        return ((prediction - target).square() + self.epsilon**2).sqrt().mean()


CRITERIA = {"mse": nn.MSELoss, "l1": nn.L1Loss, "charbonnier": CharbonnierLoss}

# Those that look at pixels together, and not one by one.
NEIGHBOURHOODS: set[str] = set()
