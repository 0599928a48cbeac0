"""Writing files so that none is ever half written."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def write_aside(path, write: Callable[[BinaryIO], None]) -> Path:
    """Write a file beside its destination and move it there when it is complete.

    Parameters
    ----------
    path : path-like
        Destination; an existing file is replaced.
    write : callable
        Called with an open binary file.

    Returns
    -------
    path : Path
        The destination.

    Raises
    ------
    OSError
        If the destination is a folder, or lies in one that does not exist.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"path must be a file, but {str(path)!r} is a folder.")
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"path must lie in a folder, but there is no {str(path.parent)!r}."
        )
    handle, aside = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix
    )
    os.close(handle)
    try:
        with open(aside, "wb") as file:
            write(file)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(aside, 0o666 & ~umask)
        os.replace(aside, path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    return path
