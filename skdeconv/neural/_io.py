"""Files of a training under way."""

from hashlib import sha256
from io import BytesIO
from pathlib import Path

import torch

from skdeconv._io import write_aside

# What a file begins with, before the checksum of all that follows.
MARK = b"skdeconv checkpoint\n"


def write_checkpoint(path: Path, state: dict) -> None:
    """Write tensors and plain values to a file, whole or not at all."""
    content = BytesIO()
    torch.save(state, content)
    seal = MARK + sha256(content.getbuffer()).digest()

    def write(file):
        file.write(seal)
        file.write(content.getbuffer())

    write_aside(path, write)


def read_checkpoint(path: Path) -> dict:
    """Read what :func:`write_checkpoint` wrote; no code of the file is run."""
    raw = path.read_bytes()
    begin = len(MARK) + sha256().digest_size
    content = raw[begin:]
    if raw[:begin] != MARK + sha256(content).digest():
        raise ValueError(
            f"checkpoint {str(path)!r} is not one, or is damaged; delete it to train "
            "anew."
        )
    return torch.load(BytesIO(content), map_location="cpu", weights_only=True)
