"""Files of a training under way."""

from pathlib import Path

import torch

from skdeconv._io import write_aside


def write_checkpoint(path: Path, state: dict) -> None:
    """Write tensors and plain values to a file, whole or not at all."""
    write_aside(path, lambda file: torch.save(state, file))


def read_checkpoint(path: Path) -> dict:
    """Read what :func:`write_checkpoint` wrote; no code of the file is run."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    # torch takes any bytes for instructions, and fails at them in any way.
    except Exception as e:
        raise ValueError(
            f"checkpoint {str(path)!r} is not one, or is damaged; delete it to train "
            "anew."
        ) from e
