"""What every linear operator offers."""

from abc import ABC, abstractmethod

from torch import Tensor


class LinearOperator(ABC):
    """Linear map between batches of images, with its adjoint.

    Operators act on tensors of shape ``(batch, channels, *spatial)``, treat every
    image and channel alike, and hold no state besides their constructor's arguments.
    ``a @ b`` is the operator that applies `b` first.

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

    @abstractmethod
    def norm(self, input_shape: tuple[int, ...]) -> float:
        """Bound the largest singular value from above, closely.

        Parameters
        ----------
        input_shape : tuple of int
            Spatial shape in the domain.

        Returns
        -------
        norm : float
            ``|A x| <= norm * |x|`` for all x of that shape.
        """

    def __matmul__(self, other: "LinearOperator") -> "LinearOperator":
        if not isinstance(other, LinearOperator):
            return NotImplemented
        return Composition(self, other)


class Composition(LinearOperator):
    """Operators one after the other; ``a @ b`` makes one.

    Parameters
    ----------
    outer : LinearOperator
        Applied last.
    inner : LinearOperator
        Applied first, with as many spatial axes.

    Attributes
    ----------
    ndim : int
        Number of spatial axes.

    Raises
    ------
    ValueError
        If the operators differ in their number of axes.

    Examples
    --------
    >>> import torch
    >>> from skdeconv.operators import Blur, Downsample, gaussian_psf
    >>> camera = Downsample(2) @ Blur(gaussian_psf(1.0))
    >>> camera(torch.rand(1, 1, 32, 32)).shape
    torch.Size([1, 1, 16, 16])
    """

    def __init__(self, outer: LinearOperator, inner: LinearOperator):
        if outer.ndim != inner.ndim:
            raise ValueError(
                "operators must have the same number of spatial axes, got "
                f"{outer!r} of {outer.ndim} and {inner!r} of {inner.ndim}."
            )
        self.outer = outer
        self.inner = inner

    @property
    def ndim(self) -> int:
        return self.inner.ndim

    def __repr__(self):
        return f"{self.outer!r} @ {self.inner!r}"

    def __call__(self, x: Tensor) -> Tensor:
        return self.outer(self.inner(x))

    def adjoint(self, y: Tensor) -> Tensor:
        return self.inner.adjoint(self.outer.adjoint(y))

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.outer.output_shape(self.inner.output_shape(input_shape))

    def input_shape(self, output_shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.inner.input_shape(self.outer.input_shape(output_shape))

    def norm(self, input_shape: tuple[int, ...]) -> float:
        between = self.inner.output_shape(input_shape)
        return self.outer.norm(between) * self.inner.norm(input_shape)
