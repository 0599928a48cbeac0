"""What every linear operator offers."""

from abc import ABC, abstractmethod

from torch import Tensor


class LinearOperator(ABC):
    """Linear map between batches of images, with its adjoint.

    Operators act on tensors of shape ``(batch, channels, *spatial)``, treat every
    image and channel alike, and hold no state besides their constructor's arguments.

    Attributes
    ----------
    ndim : int
        Number of spatial axes.
    """

    ndim: int

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """Apply the operator.

        Parameters
        ----------
        x : Tensor of shape (batch, channels, *spatial)
            Images.

        Returns
        -------
        y : Tensor of shape (batch, channels, *output_shape(spatial))
            The images seen through the operator.
        """

    @abstractmethod
    def adjoint(self, y: Tensor) -> Tensor:
        """Apply the adjoint, for which ``<A x, y> = <x, A* y>``.

        Parameters
        ----------
        y : Tensor of shape (batch, channels, *spatial)
            Images in the operator's range.

        Returns
        -------
        x : Tensor of shape (batch, channels, *input_shape(spatial))
            Images in the operator's domain.
        """

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Give the spatial shape that the operator makes of `input_shape`.

        Parameters
        ----------
        input_shape : tuple of int
            Spatial shape in the domain.

        Returns
        -------
        output_shape : tuple of int
            Spatial shape in the range; the same unless a subclass says otherwise.
        """
        return tuple(input_shape)

    def input_shape(self, output_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Give the spatial shape from which the operator makes `output_shape`.

        Parameters
        ----------
        output_shape : tuple of int
            Spatial shape in the range.

        Returns
        -------
        input_shape : tuple of int
            Spatial shape in the domain; the same unless a subclass says otherwise.
        """
        return tuple(output_shape)
