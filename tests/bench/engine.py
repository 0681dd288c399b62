#!/usr/bin/python3
"""engine.py BENCH_ENGINE WEIGHTS|- [--sweep] [--rounds N]: called by tests/bench/engine.

Alternates our engine and PyTorch's eager f32 in its best form (channels_last, batch 16, inference_mode, one thread) on the
core that the process is pinned to. Prints medians over the rounds of images a CPU-second, which the load of others disturbs
least, and of images a second of wall time. Speed does not depend on the weights' values, so PyTorch keeps its random ones."""
import argparse
import statistics
import subprocess
import time

IMAGES = 32   # a round
BATCH = 4     # our engine's default


class Ours:
    def __init__(self, program, weights, batch):
        self.name, self.batch = f"sleddog onednn, batch {batch}", batch
        self.process = Ours.shared = getattr(Ours, "shared", None) or subprocess.Popen(
            [program, weights, "resnet50", "224"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self):
        self.process.stdin.write(f"{self.batch} {IMAGES}\n")
        self.process.stdin.flush()
        return tuple(map(float, self.process.stdout.readline().split()))


class Torch:
    name = "PyTorch eager, channels_last, batch 16"

    def __init__(self):
        import torch
        import torchvision
        torch.set_num_threads(1)
        self.torch = torch
        self.model = torchvision.models.resnet50().eval().to(memory_format=torch.channels_last)
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
    parser.add_argument("weights")
    parser.add_argument("--sweep", action="store_true", help="our engine alone, batch 1 to 32")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    batches = (1, 4, 8, 16, 32) if options.sweep else (BATCH,)
    rivals = [Ours(options.program, options.weights, batch) for batch in batches]
    if not options.sweep:
        rivals.append(Torch())
    for rival in rivals:
        rival.run()   # warm-up
    times = [[rival.run() for rival in rivals] for _ in range(options.rounds)]
    for i, rival in enumerate(rivals):
        wall, cpu = (statistics.median(IMAGES / row[i][clock] for row in times) for clock in (0, 1))
        print(f"{rival.name:40} {cpu:6.2f} images a CPU-second   {wall:6.2f} images/s")
    if not options.sweep:
        ratios = [row[1][1] / row[0][1] for row in times]
        print(f"{'ratio, median of the rounds':40} {statistics.median(ratios):6.2f} (CPU time; "
              f"{min(ratios):.2f} to {max(ratios):.2f})")


main()
