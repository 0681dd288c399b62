#!/usr/bin/python3
"""int8.py WORKER DATA FOLDER NETWORKS: called by tests/bench/int8.

A line a network, preset and direction: right answers of f32 and int8, photos whose top-1 is the same, largest and mean change of the top-1's probability."""
import pathlib
import re
import subprocess
import sys

WORKER, DATA, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
NETWORKS = " ".join(sys.argv[4:]).split()
SETS = {"imagenet": DATA / "images/imagenet", "dogs": DATA / "images/dogs/Images"}
CLASSES = [line.split()[0] for line in (DATA / "labels/imagenet-1k.txt").read_text().splitlines()]


def photos(name):
    return sorted(path for path in SETS[name].rglob("*") if path.is_file())


def run(*arguments):
    done = subprocess.run([WORKER, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, arguments[:8]))} ...: {done.stderr}")
    return done.stdout


def weights(network):
    return DATA / f"weights/{network}-imagenet-pqf.safetensors"


def classify(network, preset, name, *options):
    """(class, probability) of each photo, in order."""
    text = run("classify", "--weights", weights(network), "--preset", preset, "--top", 1, *options, *photos(name))
    return [(int(index), float(p)) for p, index in re.findall(r"^ +(\d\.\d+) +(\d+)  ", text, re.M)]


def right(answers, name):
    """A photo's name, or its folder's, begins with its WordNet id."""
    truths = [re.search(r"n\d{8}", str(path.relative_to(SETS[name])))[0] for path in photos(name)]
    return sum(CLASSES[index] == truth for (index, _), truth in zip(answers, truths, strict=True))


def main():
    isa = next(line for line in run("info").splitlines() if line.startswith("onednn"))
    print(isa, "\n")
    print("| network | preset | calibrated on | judged on | clipping | f32 right | int8 right | points | top-1 equal | probability off by |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    good = True
    for network in NETWORKS:
        for preset in ("torchvision", "article"):
            for name, other in (("imagenet", "dogs"), ("dogs", "imagenet")):
                ranges = FOLDER / f"{network}-{preset}-{name}.json"
                said = run("calibrate", "--images", SETS[name], "--weights", weights(network), "--preset", preset, "-o", ranges)
                clipping = re.search(r": ([a-z0-9., ]+), from", said)[1]
                f32 = classify(network, preset, other, "--precision", "f32")
                int8 = classify(network, preset, other, "--precision", "int8", "--ranges", ranges)
                count, r32, r8 = len(f32), right(f32, other), right(int8, other)
                same = sum(a[0] == b[0] for a, b in zip(f32, int8, strict=True))
                off = sum(abs(a[1] - b[1]) for a, b in zip(f32, int8)) / count
                points = 100 * (r8 - r32) / count
                good = good and abs(points) <= 1 and same >= 0.95 * count
                print(f"| {network} | {preset} | {name} | {other} | {clipping} | {r32} of {count} | {r8} | {points:+.2f} | "
                      f"{same} ({100 * same / count:.1f} %) | {off:.4f} |", flush=True)
    print("\nthe target, within 1 point and at least 95 % equal,", "is met" if good else "is MISSED")


main()
