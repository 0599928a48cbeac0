"""How many megapixels a second the default network trains on.

A table over batch size, patch size and precision of the network's forward and backward
pass, with and without ``torch.compile``, in one run. ``python training_speed.py
[--threads N] [--compile]``
"""

import argparse
import time

import torch

from skdeconv.networks import UNet

SIZES = [(1, 128), (4, 128), (8, 128), (16, 64), (64, 64), (16, 32)]


def rate(network, batch, patch, low, seconds=3.0):
    """Megapixels a second."""
    x = torch.rand(batch, 1, patch, patch).to(memory_format=torch.channels_last)

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            y = network(x)
        (y.float() - x).square().mean().backward()

    step(), step()
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        step()
        steps += 1
    return steps * x.numel() / (time.perf_counter() - start) / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    networks = {"": UNet(1, 1).to(memory_format=torch.channels_last)}
    if arguments.compile:
        networks["compiled "] = torch.compile(networks[""])
    columns = [(name, low) for name in networks for low in (False, True)]
    heads = [f"{name}{'bfloat16' if low else 'float32'}" for name, low in columns]
    print("batch  patch  " + "  ".join(f"{head:>17}" for head in heads) + "   Mpixel/s")
    for batch, patch in SIZES:
        rates = [rate(networks[name], batch, patch, low) for name, low in columns]
        print(f"{batch:5}  {patch:5}  " + "  ".join(f"{r:17.2f}" for r in rates))


if __name__ == "__main__":
    main()
