#!/usr/bin/python3
"""int8.py WORKER DATA FOLDER NETWORKS: called by tests/bench/int8.

A table without --recheck and one with it; a line a network, preset and direction: right answers of f32 and int8, photos whose top-1 is the same, mean change of the top-1's probability, images computed again."""
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
    return done


def weights(network):
    return DATA / f"weights/{network}-imagenet-pqf.safetensors"


def classify(network, preset, name, *options):
    """(class, probability) of each photo, in order; and how many were computed again."""
    done = run("classify", "--weights", weights(network), "--preset", preset, "--top", 1, *options, *photos(name))
    again = re.search(r": (\d+) images? computed again", done.stderr)
    answers = [(int(index), float(p)) for p, index in re.findall(r"^ +(\d\.\d+) +(\d+)  ", done.stdout, re.M)]
    return answers, int(again[1]) if again else 0


def right(answers, name):
    """A photo's name, or its folder's, begins with its WordNet id."""
    truths = [re.search(r"n\d{8}", str(path.relative_to(SETS[name])))[0] for path in photos(name)]
    return sum(CLASSES[index] == truth for (index, _), truth in zip(answers, truths, strict=True))


def judge(case, ranges, recheck):
    """A line of the table, and whether it is within the target."""
    network, preset, name, other, clipping, f32 = case
    int8, again = classify(network, preset, other, "--precision", "int8", "--ranges", ranges, "--recheck", recheck)
    count, r32, r8 = len(f32), right(f32, other), right(int8, other)
    same = sum(a[0] == b[0] for a, b in zip(f32, int8, strict=True))
    off = sum(abs(a[1] - b[1]) for a, b in zip(f32, int8)) / count
    points = 100 * (r8 - r32) / count
    line = (f"| {network} | {preset} | {name} | {other} | {clipping} | {r32} of {count} | {r8} | {points:+.2f} | "
            f"{same} ({100 * same / count:.1f} %) | {off:.4f} | {100 * again / count:.1f} % |")
    return line, abs(points) <= 1 and same >= 0.95 * count


def calibrate(network, preset, name, other):
    """What is judged, and the file of ranges."""
    ranges = FOLDER / f"{network}-{preset}-{name}.json"
    said = run("calibrate", "--images", SETS[name], "--weights", weights(network), "--preset", preset, "-o", ranges).stdout
    f32, _ = classify(network, preset, other, "--precision", "f32")
    return (network, preset, name, other, re.search(r": ([a-z0-9., ]+), from", said)[1], f32), ranges


def print_table(cases, recheck):
    print(f"\n--recheck {recheck}\n")
    print("| network | preset | calibrated on | judged on | clipping | f32 right | int8 right | points | top-1 equal | probability off by | computed again |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    good = True
    for case, ranges in cases:
        line, within = judge(case, ranges, recheck)
        print(line, flush=True)
        good = good and within
    print("\nthe target, within 1 point and at least 95 % equal,", "is met" if good else "is MISSED")


def main():
    print(next(line for line in run("info").stdout.splitlines() if line.startswith("onednn")), flush=True)
    cases = [calibrate(network, preset, name, other) for network in NETWORKS for preset in ("torchvision", "article")
             for name, other in (("imagenet", "dogs"), ("dogs", "imagenet"))]
    for recheck in (0, 10):
        print_table(cases, recheck)


main()
