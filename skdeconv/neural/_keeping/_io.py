"""Models as files: tensors and a readable record, sealed by a checksum."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from skdeconv._io import write_aside

# Under this key of the metadata, which safetensors keeps as strings, lies the record.
KEY = "skdeconv"
# The checksum is that of the whole file with zeros in its own place.
UNSEALED = b"0" * 64
SEAL = re.compile(rb'\{\\n  \\"sha256\\": \\"([0-9a-f]{64})\\"')
# What safetensors itself accepts.
LONGEST_HEADER = 100_000_000


def write_model(path, record: Mapping, tensors: Mapping[str, Tensor]) -> Path:
    """Write tensors and a record that JSON can hold into one safetensors file.

    Parameters
    ----------
    path : path-like
        Destination; an existing file is replaced when the new one is complete.
    record : dict
        What JSON can hold.
    tensors : dict of Tensor
        Tensors by name.

    Returns
    -------
    path : Path
        The destination.
    """
    sealed = {"sha256": UNSEALED.decode(), **record}
    text = json.dumps(sealed, indent=2, allow_nan=False)
    alone = {name: t.detach().cpu().clone().contiguous() for name, t in tensors.items()}
    raw = save(alone, metadata={KEY: text})
    digest = hashlib.sha256(raw).hexdigest().encode()
    return write_aside(path, lambda file: file.write(raw.replace(UNSEALED, digest, 1)))


def read_model(path) -> tuple[dict, dict[str, Tensor]]:
    """Read a record and tensors, if nothing in the file was changed.

    Parameters
    ----------
    path : path-like
        A file by :func:`write_model`.

    Returns
    -------
    record : dict
        The record.
    tensors : dict of Tensor
        The tensors by name.

    Raises
    ------
    ValueError
        If the file is not such a model, or any byte of it was changed or is missing.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"path must be a file, but {str(path)!r} is a folder.")
    with open(path, "rb") as file:
        try:
            return _read(file, path.stat().st_size)
        except ValueError as error:
            raise ValueError(f"{str(path)!r} {error}") from error


def _read(file: BinaryIO, size: int) -> tuple[dict, dict[str, Tensor]]:
    start = file.read(8)
    length = int.from_bytes(start, "little")
    header = file.read(length) if length <= min(size - 8, LONGEST_HEADER) else b""
    seal = SEAL.search(header)
    if seal is None:
        raise ValueError("is not a model saved by skdeconv, or it is damaged.")
    raw = start + header + file.read()
    begin, end = (8 + place for place in seal.span(1))
    digest = hashlib.sha256(raw[:begin] + UNSEALED + raw[end:]).hexdigest()
    if digest.encode() != seal[1]:
        raise ValueError(
            "was changed or cut short since it was saved: its checksum does not fit."
        )
    try:
        return json.loads(json.loads(header)["__metadata__"][KEY]), load(raw)
    except (SafetensorError, ValueError, LookupError, TypeError, RecursionError) as e:
        raise ValueError(f"does not hold a model: {e}.") from e
