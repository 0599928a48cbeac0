"""Numbers of iterations that choose themselves."""

from collections.abc import Callable
from itertools import islice

import numpy as np
import torch
from torch import Tensor, inference_mode
from torch.nn.functional import pad

from skdeconv.metrics._psnr import NO_ERROR
from skdeconv.restorers._strength import batches, stack_rows
from skdeconv.solvers import Stopped


class StoppingMixin:
    """Fit ``max_iter="auto"``: one number for the pairs, or one for each image.

    A class that mixes it in has ``max_iter`` and implements ``_run`` and ``_watch``.
    """

    def _run(self, x: Tensor, weight: Tensor | None, noise_std=None) -> Stopped:
        """Restore every image with the iterations that its noise allows."""
        raise NotImplementedError

    def _run_soundly(self, x, weight, noise_std=None) -> Stopped:
        """Run, and warn of what would mislead the choice and ruin the answer."""
        if noise_std is None:
            self._warn_of_outliers(x, weight)
        return self._run(x, weight, noise_std)

    def _watch(self, x: Tensor, weight: Tensor | None, look: Callable) -> Tensor:
        """Call `look` with the answers after each iteration; return the last ones.

        It returns which images are to go on: all.
        """
        raise NotImplementedError

    def _stop(self, images, target, weights, criterion):
        """Set ``n_iter_``, ``criterion_`` and ``path_``."""
        with inference_mode():
            if target is not None:
                curves = list(self._psnr_curves(images, target, weights))
                n = max(curve.shape[1] for curve in curves)
                # What has converged stays as it is.
                curves = [pad(c, (0, n - c.shape[1]), "replicate") for c in curves]
                curve = torch.cat(curves).mean(0, keepdim=True).cpu().numpy()
                self.n_iter_, criterion = int(curve[0].argmax()) + 1, "psnr"
            else:
                runs = [
                    self._run_soundly(*self._seen(x, weight))
                    for x, weight in batches(images, weights)
                ]
                self.n_iter_ = torch.cat([run.n_iter for run in runs]).cpu().numpy()
                curve = stack_rows([run.risk for run in runs]).cpu().numpy()
        self.criterion_ = criterion
        steps = np.arange(1, curve.shape[1] + 1)
        steps = np.broadcast_to(steps, curve.shape).copy()
        self.path_ = {"max_iter": steps, "criterion": curve}

    def _psnr_curves(self, images, target, weights):
        """Per batch, the PSNR of each image after each iteration."""
        truth = target.images(images.float_dtype)  # its batches may be others
        for x, weight in batches(images, weights):
            clean = torch.cat(list(islice(truth, len(x))))
            curve = []

            def look(answer, clean=clean, curve=curve):
                if self.clip:
                    answer = answer.clip(0, self.data_range_)
                error = (answer - clean).square_().flatten(1).mean(1).double()
                error = error.div_(self.data_range_**2).clamp_min_(NO_ERROR)
                curve.append(-10 * error.log10_())
                return torch.ones(len(clean), dtype=torch.bool, device=clean.device)

            last = self._watch(*self._seen(x, weight), look)
            if not curve:  # constant images need no iteration
                look(last)
            yield torch.stack(curve, 1)
