"""The image contract: shapes, containers, dtypes, units and the road to tensors.

An estimator sees images as ``(n_samples, *spatial)`` or ``(n_samples, *spatial,
n_channels)`` arrays, or as lists of such images without the first axis; everything
below sees tensors ``(batch, channels, *spatial)``.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from os import PathLike

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_array

# What a user may pass, and gets back; strings are names of files.
Images = ArrayLike | Sequence[ArrayLike] | Sequence[str | PathLike]
Restored = np.ndarray | list[np.ndarray]

# Span of the dtypes that carry one; any other dtype says nothing about intensities.
DTYPE_RANGES = {"bool": 1.0, "uint8": 255.0, "uint16": 65535.0}

# Pixels that are restored at once: large enough to be fast, small enough to bound
# memory whatever the number of images.
CHUNK_PIXELS = 2**22


@dataclass(frozen=True)
class ImageBatch:
    """Validated images of one kind.

    Attributes
    ----------
    data : ndarray of shape (n_samples, *spatial[, n_channels]) or list of ndarray
        The images as given: no copy is made.
    ndim : int
        Number of spatial axes.
    has_channels : bool
        Whether a channel axis comes last.
    container : {"stack", "list", "object"}
        What the user gave, and gets back.
    """

    data: np.ndarray | list[np.ndarray]
    ndim: int
    has_channels: bool
    container: str

    def __len__(self):
        return len(self.data)

    @property
    def n_channels(self) -> int:
        return self.data[0].shape[-1] if self.has_channels else 1

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Spatial shape of every image."""
        return [image.shape[: self.ndim] for image in self.data]

    @property
    def dtypes(self) -> set[str]:
        if self.container == "stack":
            return {self.data.dtype.name}
        return {image.dtype.name for image in self.data}

    @property
    def range_kind(self) -> str:
        """The dtype where it fixes the span of intensities, else ``"float"``."""
        kinds = {name if name in DTYPE_RANGES else "float" for name in self.dtypes}
        if len(kinds) > 1:
            raise ValueError(
                f"images must share one kind of dtype, got {sorted(self.dtypes)}."
            )
        return kinds.pop()

    @property
    def float_dtype(self) -> np.dtype:
        """The floating dtype to compute in: the data's own, else float32."""
        return np.dtype("f8" if "float64" in self.dtypes else "f4")

    def select(self, indices) -> "ImageBatch":
        """Give the images at `indices`."""
        if self.container == "stack":
            data = self.data[indices]
        else:
            data = [self.data[i] for i in indices]
        return ImageBatch(data, self.ndim, self.has_channels, self.container)

    def tensors(self, dtype=None) -> Iterator["torch.Tensor"]:  # noqa: F821
        """Yield tensors ``(batch, channels, *spatial)`` that cover the images in order.

        They may share memory with the data and must not be written to.
        """
        dtype = dtype or self.float_dtype
        if self.container != "stack":
            for image in self.data:
                yield to_tensor(image[None], self.has_channels, dtype)
            return
        step = max(1, CHUNK_PIXELS // max(1, self.data[0].size))
        for start in range(0, len(self.data), step):
            chunk = self.data[start : start + step]
            yield to_tensor(chunk, self.has_channels, dtype)

    def images(self, dtype=None) -> Iterator["torch.Tensor"]:  # noqa: F821
        """Yield a tensor ``(1, channels, *spatial)`` per image."""
        for batch in self.tensors(dtype):
            yield from batch.split(1)

    def map(self, function: Callable, dtype=None, *beside: "ImageBatch | None"):
        """Apply a function of tensors to all images; the answer is of their kind.

        With others of the shapes of the images, such as weights, it is a function of
        as many tensors; the last ones may be None.
        """
        (answer,) = self.map_several(lambda *x: (function(*x),), dtype, *beside)
        return answer

    def map_several(
        self, function: Callable, dtype=None, *beside: "ImageBatch | None"
    ) -> list:
        """Apply a function that gives several tensors; each answer is of their kind."""

        def apply(x, *others):
            for y in function(x, *others):
                # A function that returns its input must not hand out the user's data.
                mine = y.untyped_storage().data_ptr() != x.untyped_storage().data_ptr()
                yield to_array(y if mine else y.clone(), self.has_channels)

        while beside and beside[-1] is None:
            beside = beside[:-1]
        nothing = repeat(None)
        dtype = dtype or self.float_dtype
        others = [nothing if b is None else b.tensors(dtype) for b in beside]
        inputs = zip(self.tensors(dtype), *others)  # noqa: B905 - None without end
        outputs = (list(apply(*tensors)) for tensors in inputs)
        if self.container == "stack":
            return self._stacked(outputs)
        answers = [
            [image[0] for image in images] for images in zip(*outputs, strict=True)
        ]
        if self.container == "object":
            return [as_object_array(images) for images in answers]
        return answers

    def _stacked(self, outputs):
        """Join answers to one chunk after the other, which are not kept."""
        first = next(outputs)
        if len(first[0]) == len(self.data):
            return first
        n = len(self.data)
        stacks = [np.empty((n, *part.shape[1:]), part.dtype) for part in first]
        start = 0
        for parts in chain([first], outputs):
            for stack, part in zip(stacks, parts, strict=True):
                stack[start : start + len(part)] = part
            start += len(parts[0])
        return stacks


def is_stack(images) -> bool:
    """Whether answers lie in one array, and not in a list or an array of arrays."""
    return isinstance(images, np.ndarray) and images.dtype != object


def as_object_array(images: list[np.ndarray]) -> np.ndarray:
    """Put images of any shapes into a 1-D object array."""
    array = np.empty(len(images), dtype=object)
    array[:] = images
    return array


def to_tensor(stack: np.ndarray, has_channels: bool, dtype) -> "torch.Tensor":  # noqa: F821
    """View a channels-last stack as a ``(batch, channels, *spatial)`` tensor.

    It is copied where it must be: for another dtype or memory order, and where it is
    read-only or an axis of length 1 runs backwards, which torch does not know.
    """
    import torch  # noqa: PLC0415 - metrics and the contract load without torch

    stack = np.moveaxis(stack, -1, 1) if has_channels else stack[:, None]
    stack = np.asarray(stack, dtype=dtype, order="C")
    known = stack.flags.writeable and min(stack.strides) >= 0
    return torch.from_numpy(stack if known else stack.copy())


def to_array(tensor: "torch.Tensor", has_channels: bool) -> np.ndarray:  # noqa: F821
    """Bring a ``(batch, channels, *spatial)`` tensor back to a channels-last array."""
    array = tensor.detach().cpu().numpy()
    if not has_channels:
        return array[:, 0]
    return np.ascontiguousarray(np.moveaxis(array, 1, -1))


def as_images(X):
    """Turn tensors and nested sequences into arrays; tell whether X is a collection.

    Names of files stand for what is in them, which is read when it is needed.

    Returns
    -------
    data : ndarray or list of ndarray
        The images.
    container : {"stack", "list", "object"}
        Collections of separate images are told from stacks by their elements, which
        are arrays and not numbers or sequences.
    """
    if any(np.ma.is_masked(x) for x in (X if isinstance(X, list | tuple) else [X])):
        raise ValueError(
            "images must not be masked arrays, whose masks would be lost: pass their "
            "data, and mask=~X.mask to a restorer that takes a mask."
        )
    if hasattr(X, "detach"):
        return X.detach().cpu().numpy(), "stack"
    if hasattr(X, "iloc") and X.ndim == 1:
        X = X.to_numpy()  # a column of a table, of names perhaps
    if isinstance(X, np.ndarray) and X.dtype.kind == "U" and X.ndim == 1:
        X = X.tolist()
    is_object = isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1
    if isinstance(X, list | tuple) or is_object:
        if len(X) == 0:
            return [], "list"
        if all(isinstance(x, str | PathLike) for x in X):
            from skdeconv._io import ImageFile  # noqa: PLC0415 - knows all formats

            return [ImageFile(path) for path in X], "list"
        if all(hasattr(x, "shape") and len(x.shape) > 0 for x in X):
            images = [
                x.detach().cpu().numpy() if hasattr(x, "detach") else x for x in X
            ]
            images = [x if _lies_on_disk(x) else np.asarray(x) for x in images]
            return images, "object" if is_object else "list"
        if any(isinstance(x, str | PathLike) for x in X):
            raise ValueError(
                "images must be arrays or names of files, got a mixture of them."
            )
    return X, "stack"


def _lies_on_disk(image):
    """Whether it is a file that was checked when it was first read."""
    return hasattr(image, "path")


def middle(image: np.ndarray, size: int, ndim: int = 2) -> np.ndarray:
    """Cut out the middle of an image, at most `size` pixels along every axis."""
    edges = ((n, min(n, size)) for n in image.shape[:ndim])
    return image[tuple(slice((n - m) // 2, (n + m) // 2) for n, m in edges)]


def is_table(X) -> bool:
    """Whether X is a table with a signal of the same length in each row."""
    if hasattr(X, "iloc") or hasattr(X, "toarray"):
        return True
    data, container = as_images(X)
    return container == "stack" and np.asarray(data).ndim < 3


def check_images(X, *, ndim: int, name: str = "X") -> ImageBatch:
    """Validate images against the contract.

    Parameters
    ----------
    X : array-like or list of array-like
        The images.
    ndim : int
        Number of spatial axes.
    name : str, default="X"
        What error messages call them.

    Returns
    -------
    images : ImageBatch
        Views of the same data.

    Raises
    ------
    ValueError
        Wherever the data break the contract; the message names what was expected and
        what came.
    """
    if X is None or isinstance(X, str | bytes | PathLike | Iterator):
        raise ValueError(
            f"{name} must be an array or a list of arrays or file names, got {X!r}."
        )
    data, container = as_images(X)
    options = {"ensure_2d": False, "allow_nd": True, "input_name": name}
    if container == "stack":
        data = check_array(data, dtype="numeric", **options)
        _check_stack_shape(data.shape, ndim, name)
        has_channels = data.ndim == ndim + 2
    else:
        if len(data) == 0:
            raise ValueError(f"{name} must hold at least one image, got an empty list.")
        data = [
            image
            if _lies_on_disk(image)
            else check_array(image, dtype="numeric", ensure_min_samples=0, **options)
            for image in data
        ]
        has_channels = _check_list_shapes([image.shape for image in data], ndim, name)
        if has_channels and ndim == 2:
            _refuse_pages(data)
    return ImageBatch(data, ndim, has_channels, container)


def _expected(ndim, sample_axis=True):
    spatial = {1: "length", 2: "height, width", 3: "depth, height, width"}[ndim]
    lead = "n_samples, " if sample_axis else ""
    return f"({lead}{spatial}) or ({lead}{spatial}, n_channels)"


def _check_stack_shape(shape, ndim, name):
    expected = f"{name} must have shape {_expected(ndim)}, got {shape}."
    if len(shape) == ndim:
        raise ValueError(f"{expected} Reshape your data: {name}[None] for one image.")
    if len(shape) not in (ndim + 1, ndim + 2):
        raise ValueError(f"{expected} Reshape your data or set ndim (here {ndim}).")
    if ndim == 2 and len(shape) == 3 and shape[-1] <= 4:
        raise ValueError(
            f"{expected} This looks like one colour image. Reshape your data: "
            f"{name}[None] for one image, {name}[..., None] for narrow grey images."
        )
    if 0 in shape:
        raise ValueError(f"{name} must not have an empty axis, got shape {shape}.")
    _refuse_channels_first(shape[1:], ndim, name)


def _refuse_channels_first(shape, ndim, name):
    """Catch colours in torch's order, of which each row would pass for an image."""
    if ndim == 2 and len(shape) == 3 and shape[0] in (3, 4) and min(shape[1:]) > 16:
        raise ValueError(
            f"{name} must have its channels last, got images of shape {shape}, which "
            "looks like channels first. Move them, as by np.moveaxis(image, 0, -1)."
        )


def _refuse_pages(images):
    """Catch files of several pictures, of which the rows would pass for colours."""
    for image in images:
        if _lies_on_disk(image) and image.shape[-1] > 4:
            raise ValueError(
                f"{image.path} holds a stack of shape {image.shape}, and ndim=2 asks "
                "for one picture per file: name a file for each, take ndim=3 if it is "
                "a volume, or read it and pass arrays."
            )


def _check_list_shapes(shapes, ndim, name):
    for i, shape in enumerate(shapes):
        if len(shape) not in (ndim, ndim + 1) or 0 in shape:
            raise ValueError(
                f"{name}[{i}] must have shape {_expected(ndim, sample_axis=False)} "
                f"with no empty axis, got {shape}."
            )
    _refuse_channels_first(shapes[0], ndim, f"{name}[0]")
    if len({len(shape) for shape in shapes}) > 1:
        raise ValueError(f"{name} must not mix images with and without a channel axis.")
    has_channels = len(shapes[0]) == ndim + 1
    channels = sorted({shape[-1] for shape in shapes}) if has_channels else [1]
    if len(channels) > 1:
        raise ValueError(
            f"images of {name} must have the same number of channels, got {channels}."
        )
    return has_channels
