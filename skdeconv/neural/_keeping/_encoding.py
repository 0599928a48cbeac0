"""Parameters and fitted attributes as JSON, and back without running foreign code.

What JSON has of its own stays as it is. Anything else is a dict whose first entry names
its kind: ``{"tuple": [...]}``, ``{"array": 0}`` for the array of that number. Classes
are only ever looked up among those that the library itself offers.
"""

import inspect
import json
import warnings
from collections.abc import Mapping
from hashlib import sha256
from os import PathLike
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from skdeconv import degradations, networks, operators
from skdeconv.exceptions import PSFWarning
from skdeconv.neural._losses import CRITERIA


def _classes(*packages: ModuleType) -> dict[str, type]:
    offered = {name: getattr(p, name) for p in packages for name in p.__all__}
    return {name: value for name, value in offered.items() if isinstance(value, type)}


# Objects that are known by the arguments of their constructors.
STEPS = _classes(degradations, operators)
# Classes that are parameters themselves.
CLASSES = _classes(networks) | {
    kind.__name__: kind
    for kind in CRITERIA.values()
    if kind.__module__.startswith("skdeconv")
}
BIT_GENERATORS = {"MT19937": np.random.MT19937, "PCG64": np.random.PCG64}


def encode(value, arrays: list[Tensor]):
    """Turn a value into what JSON can hold; arrays and tensors go to `arrays`.

    Raises
    ------
    TypeError
        If a file cannot hold it.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else {"float": repr(value)}
    if isinstance(value, list):
        return [encode(item, arrays) for item in value]
    if isinstance(value, tuple):
        return {"tuple": encode(list(value), arrays)}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: encode(item, arrays) for key, item in value.items()}}
    if isinstance(value, np.ndarray):
        return _encode_array(value, arrays)
    if isinstance(value, Tensor):
        arrays.append(value)
        return {"tensor": len(arrays) - 1}
    if isinstance(value, PathLike):
        return str(value)
    if isinstance(value, np.random.RandomState):
        state = value.get_state(legacy=False)
        return {"random_state": encode(state, arrays)}
    if isinstance(value, np.random.Generator):
        return {"generator": encode(value.bit_generator.state, arrays)}
    if isinstance(value, type) and CLASSES.get(value.__name__) is value:
        return {"class": value.__name__}
    name = type(value).__name__
    if STEPS.get(name) is type(value):
        arguments = {
            argument: getattr(value, argument)
            for argument in inspect.signature(type(value)).parameters
        }
        return {"object": name, "arguments": encode(arguments, arrays)["dict"]}
    raise TypeError(f"a file cannot hold {value!r}.")


def _encode_array(array, arrays):
    if array.dtype == object:  # names of features
        return {"strings": encode(array.tolist(), arrays)}
    # torch takes contiguous arrays in the byte order of the machine.
    native = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
    arrays.append(torch.from_numpy(native))
    return {"array": len(arrays) - 1}


def fingerprint(value, inside: tuple[int, ...] = ()) -> str:
    """A word that two values share only if they are the same.

    What a file cannot hold goes by its name if it has one, as code has, by its class
    and attributes, or as it is printed. `inside` names the objects that it is part of.
    """
    if id(value) in inside:
        return "itself"
    arrays = []
    try:
        text = json.dumps(encode(value, arrays), sort_keys=True)
    except TypeError:
        return _fingerprint_of_parts(value, (*inside, id(value)))
    content = sha256()
    for array in arrays:
        content.update(f"{array.dtype} {tuple(array.shape)}".encode())
        raw = array.detach().cpu().contiguous().flatten().view(torch.uint8)
        content.update(raw.numpy().tobytes())
    return f"{text} {content.hexdigest()}" if arrays else text


def _fingerprint_of_parts(value, inside):
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, Mapping):
        parts = {str(name): fingerprint(part, inside) for name, part in value.items()}
    elif isinstance(value, list | tuple):
        parts = [fingerprint(part, inside) for part in value]
    elif hasattr(value, "__dict__"):
        parts = {name: fingerprint(part, inside) for name, part in vars(value).items()}
    else:
        return repr(value)
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__} {json.dumps(parts, sort_keys=True)}"


def decode(value, arrays: dict[int, Tensor]):
    """Turn back what :func:`encode` made.

    Raises
    ------
    ValueError, LookupError, TypeError
        If it was not made by it.
    """
    if isinstance(value, list):
        return [decode(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    kind = next(iter(value), None)
    content = value.get(kind)
    match kind:
        case "float":
            return float(content)
        case "tuple":
            return tuple(decode(content, arrays))
        case "dict":
            return {key: decode(item, arrays) for key, item in content.items()}
        case "strings":
            return np.array(content, dtype=object)
        case "array":
            return arrays[content].numpy()
        case "tensor":
            return arrays[content]
        case "random_state":
            random_state = np.random.RandomState()
            random_state.set_state(decode(content, arrays))
            return random_state
        case "generator":
            state = decode(content, arrays)
            bits = BIT_GENERATORS[state["bit_generator"]]()
            bits.state = state
            return np.random.Generator(bits)
        case "class":
            return CLASSES[content]
        case "object":
            return _build(STEPS[content], decode({"dict": value["arguments"]}, arrays))
    raise ValueError(f"unknown kind of value {kind!r}")


def _build(kind, arguments):
    with warnings.catch_warnings():
        # Whoever made the object was warned.
        warnings.simplefilter("ignore", PSFWarning)
        built = kind(**arguments)
    if kind is operators.Blur:
        # To the last bit; normalising it once more would change some.
        built.psf = arguments["psf"]
    return built
