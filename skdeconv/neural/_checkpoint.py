"""A training that is taken up where it was left."""

import json
from pathlib import Path

import torch

from skdeconv._io import destination
from skdeconv.neural._callbacks import Resumable
from skdeconv.neural._io import read_checkpoint, write_checkpoint


class Checkpoint(Resumable):
    """Keep the state of the training in a file, and begin with what is in it.

    It comes last of the callbacks, whose state it keeps and puts back.

    Parameters
    ----------
    path : path-like or None
        The file, written after every epoch; None keeps nothing.
    belongs_to : dict of str to str
        What must be the same for a training to go on: parameters and data, in words.

    Attributes
    ----------
    seed : int or None
        The seed of the training: that of the one in the file, else to be set. What is
        drawn before training begins, such as what is held out, follows from it.

    Raises
    ------
    ValueError
        If what is in the file is no such state, or of another training.
    """

    def __init__(self, path, belongs_to):
        self.path, self.belongs_to = path, belongs_to
        self.seed = self.found = None
        if path is not None and destination(path, "checkpoint").exists():
            self.found = read_checkpoint(Path(path))
            self._refuse_others(self.found)
            self.seed = self.found["seed"]

    def on_train_begin(self, net, X=None, **kwargs):
        net.epochs_done_, self.dataset = 0, X
        if self.found is not None:
            self._restore(net, self.found)
            self.found = None

    def on_epoch_end(self, net, **kwargs):
        if self.path is not None and not net.cut_short_:
            write_checkpoint(Path(self.path), self._state(net))

    def on_train_end(self, net, **kwargs):
        # The images are not part of the fitted estimator.
        self.dataset = None

    def _state(self, net):
        return {
            "belongs_to": self.belongs_to,
            "seed": self.seed,
            "history": json.dumps(list(net.history), default=float),
            "finished": net.finished_,
            "patches": self.dataset.rng.bit_generator.state,
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(net.device) if _on_cuda(net) else None,
            "parts": {name: part.state_dict() for name, part in _parts(net)},
        }

    def _refuse_others(self, state):
        old = state.get("belongs_to", {})
        if old != self.belongs_to:
            names = sorted({*old, *self.belongs_to})
            changed = [k for k in names if old.get(k) != self.belongs_to.get(k)]
            raise ValueError(
                f"checkpoint {str(self.path)!r} is of another training, of other "
                f"{', '.join(changed)}; give another path, or delete it."
            )

    def _restore(self, net, state):
        for name, part in _parts(net):
            part.load_state_dict(state["parts"][name])
        net.history[:] = json.loads(state["history"])
        net.epochs_done_, net.finished_ = len(net.history), state["finished"]
        self.dataset.rng.bit_generator.state = state["patches"]
        torch.set_rng_state(state["torch"])
        if _on_cuda(net) and state["cuda"] is not None:
            torch.cuda.set_rng_state(state["cuda"], net.device)


def _parts(net):
    """All that changes while a net trains."""
    yield "module", net.module_
    yield "criterion", net.criterion_
    yield "optimizer", net.optimizer_
    if net.averaged_ is not None:
        yield "averaged", net.averaged_
    if hasattr(net.objective, "state_dict"):
        yield "objective", net.objective
    for name, callback in net.callbacks_:
        if isinstance(callback, Resumable):
            yield name, callback


def _on_cuda(net):
    return str(net.device).startswith("cuda")
