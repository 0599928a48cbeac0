"""The learning rate over the training, by steps and by the clock."""

import math
import time

from skdeconv.neural._callbacks import Resumable, StopTraining

SCHEDULES = {"cosine", "one_cycle", "plateau", "constant"}

# A plateau: so many epochs in which the loss, or the held-out PSNR, has not become
# better by this part of itself.
PATIENCE, TOLERANCE = 5, 1e-4
# Steps that tell how long the others will take.
PACE = 10


class LearningRate(Resumable):
    """Set the learning rate before every step, and end training in time.

    Parameters
    ----------
    schedule : {"cosine", "one_cycle", "plateau", "constant"}
        ``"cosine"`` rises linearly during the first 5 % and falls to 0.5 % of the
        largest rate; ``"one_cycle"`` rises for 30 % along a cosine from 4 % and falls
        to nothing; ``"plateau"`` is halved whenever `PATIENCE` epochs brought nothing;
        ``"constant"`` is set once, and callbacks of the user may change it.
    n_steps : int
        Steps that training will take.
    max_time : float or None
        Seconds. The schedule goes by the clock where that is ahead of the steps, so
        that it ends in full when time is short.
    """

    def __init__(self, schedule, n_steps, max_time=None):
        self.schedule, self.n_steps, self.max_time = schedule, n_steps, max_time

    def on_train_begin(self, net, **kwargs):
        self.step_, self.start_, self.slow_ = 0, time.perf_counter(), 0.0
        self.best_, self.waited_, self.halvings_ = -math.inf, 0, 0
        for group in net.optimizer_.param_groups:
            # Groups of parameters may have rates of their own.
            group.setdefault("part_of_lr", group["lr"] / net.lr)
            group["lr"] = net.lr * group["part_of_lr"]

    def on_batch_begin(self, net, training=False, **kwargs):
        if not training:
            return
        progress = min(self.step_ / self.n_steps, 1)
        if self.max_time is not None:
            elapsed = (time.perf_counter() - self.start_) / self.max_time
            if elapsed >= 1 and self.step_ > 0:
                raise StopTraining
            if self._runs_short(elapsed):
                progress = max(progress, min(elapsed, 1))
        self.step_ += 1
        net.progress_ = progress
        if self.schedule == "constant":
            return
        for group in net.optimizer_.param_groups:
            group["lr"] = net.lr * group["part_of_lr"] * self._factor(progress)

    def _runs_short(self, elapsed):
        """Whether steps will be left when time is up, at the pace of the later ones."""
        if self.step_ == 1:
            self.slow_ = elapsed  # the first step may compile, and is no measure
        if self.step_ < PACE:
            return False
        pace = (self.step_ - 1) / (elapsed - self.slow_)
        return self.step_ + pace * (1 - elapsed) < self.n_steps

    def state_dict(self):
        elapsed = time.perf_counter() - self.start_
        return super().state_dict() | {"start_": elapsed}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.start_ = time.perf_counter() - state["start_"]

    def on_epoch_end(self, net, **kwargs):
        row = net.history[-1]
        net.history.record("lr", net.optimizer_.param_groups[0]["lr"])
        gain = float(row["valid_psnr"] if "valid_psnr" in row else -row["train_loss"])
        if gain - self.best_ > TOLERANCE * abs(gain):
            self.best_, self.waited_ = gain, 0
            return
        self.waited_ += 1
        if self.waited_ > PATIENCE:
            self.halvings_, self.waited_ = self.halvings_ + 1, 0

    def _factor(self, progress):
        if self.schedule == "plateau":
            return 0.5**self.halvings_
        if self.schedule == "one_cycle":
            if progress < 0.3:
                return 1 - 0.96 * _half_cosine(progress / 0.3)
            return max(1e-4, _half_cosine((progress - 0.3) / 0.7))
        warmup = 0.05
        if progress < warmup:
            return (progress + 1 / self.n_steps) / (warmup + 1 / self.n_steps)
        return 0.005 + 0.995 * _half_cosine((progress - warmup) / (1 - warmup))


def _half_cosine(progress):
    """Fall from 1 to 0."""
    return 0.5 * (1 + math.cos(math.pi * progress))
