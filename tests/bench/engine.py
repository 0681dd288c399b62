#!/usr/bin/python3
"""engine.py BENCH_ENGINE FOLDER [--network NAME] [--sweep] [--rounds N]: called by tests/bench/engine.

Alternates our engine in f32 and in int8 and PyTorch's eager f32 in its best form (channels_last, batch 16, inference_mode, one thread) on the
core that the process is pinned to. Prints medians over the rounds of images a CPU-second, which the load of others disturbs
least, and of images a second of wall time. Speed does not depend on the weights' values, so PyTorch keeps its random ones."""
import argparse
import os
import statistics
import subprocess
import time

IMAGES = 32   # a round
BATCH = 4     # our engine's default


class Ours:
    def __init__(self, program, weights, network, precision, batch):
        self.name, self.line = f"sleddog onednn, {precision}, batch {batch}", f"{precision} {batch} {IMAGES}\n"
        if not hasattr(Ours, "process"):
            Ours.process = subprocess.Popen([program, weights, network, "224"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            print(Ours.process.stdout.readline())

    def run(self):
        self.process.stdin.write(self.line)
        self.process.stdin.flush()
        return tuple(map(float, self.process.stdout.readline().split()))


class Torch:
    name = "PyTorch eager, channels_last, batch 16"

    def __init__(self, network):
        import torch
        import torchvision
        torch.set_num_threads(1)
        self.torch = torch
        self.model = getattr(torchvision.models, network)().eval().to(memory_format=torch.channels_last)
        self.x = torch.rand(16, 3, 224, 224).to(memory_format=torch.channels_last)

    def run(self):
        wall, cpu = time.monotonic(), time.process_time()
        with self.torch.inference_mode():
            for _ in range(IMAGES // 16):
                self.model(self.x)
        return time.monotonic() - wall, time.process_time() - cpu


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("folder", help="of the shared weights")
    parser.add_argument("--network", default="resnet50")
    parser.add_argument("--sweep", action="store_true", help="our engine alone, in f32 and int8, batch 1 to 32")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    batches = (1, 4, 8, 16, 32) if options.sweep else (BATCH,)
    weights = f"{options.folder}/{options.network}-imagenet-pqf.safetensors"
    weights = weights if os.path.exists(weights) else "-"
    rivals = [Ours(options.program, weights, options.network, precision, batch) for batch in batches for precision in ("f32", "int8")]
    if not options.sweep:
        try:
            rivals.append(Torch(options.network))
        except ImportError as missing:
            print(f"PyTorch is left out: {missing}; apt-get install python3-torch python3-torchvision")
    for rival in rivals:
        rival.run()   # warm-up
    times = [[rival.run() for rival in rivals] for _ in range(options.rounds)]
    for i, rival in enumerate(rivals):
        wall, cpu = (statistics.median(IMAGES / row[i][clock] for row in times) for clock in (0, 1))
        print(f"{rival.name:40} {cpu:6.2f} images a CPU-second   {wall:6.2f} images/s")
    print()
    for i in range(0, len(batches) * 2, 2):
        ratio(times, i + 1, i, f"int8 / f32, batch {batches[i // 2]}")
    if len(rivals) == 3:
        ratio(times, 0, 2, "f32 / PyTorch")
        ratio(times, 1, 2, "int8 / PyTorch f32")


def ratio(times, fast, slow, name):
    ratios = [row[slow][1] / row[fast][1] for row in times]
    print(f"{name:40} {statistics.median(ratios):6.2f} times, median of the rounds (CPU time; {min(ratios):.2f} to {max(ratios):.2f})")


main()
