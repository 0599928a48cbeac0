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
    """
    path = Path(path)
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
