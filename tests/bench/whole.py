"""whole.py run JOB COMMAND...: runs a job and notes in JOB/cpu what it and others used of the cores. whole.py print WORK PRECISIONS: the table. Called by
tests/bench/whole."""
import glob
import json
import os
import statistics
import subprocess
import sys
import time


def machine_busy():
    """CPU-seconds that everybody has used so far, the host's other guests included."""
    user, nice, system, _, _, irq, softirq, steal = map(int, open("/proc/stat").readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def run(job, command):
    start, busy = time.monotonic(), machine_busy()
    result = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if result.returncode:
        sys.exit(result.stderr)
    seconds, busy, usage = time.monotonic() - start, machine_busy() - busy, os.times()
    own = usage.children_user + usage.children_system
    with open(f"{job}/cpu", "w") as file:
        json.dump({"own": own, "others": max(0, busy - own) / seconds / os.cpu_count()}, file)


def row_of(path):
    job, cpu = json.load(open(path)), json.load(open(os.path.dirname(path) + "/cpu"))
    images, rate = job["images"]["examined"], job["time"]["images_per_s"]
    stages = {stage["name"]: stage["busy_s"] / images for stage in job["stages"]}
    total = sum(stages.values())
    again = next(stage["rechecked"] for stage in job["stages"] if stage["name"] == "engine")
    stages["besides"] = cpu["own"] / images - total
    return {"share": rate * total / os.cpu_count(), "again": again / images, "others": cpu["others"], "rate": rate, "stages": stages, "images": images}


def print_table(work, precisions):
    middle = statistics.median
    print(f"{os.cpu_count()} cores; ms of CPU an image by stage, images/s of the whole, and its share of cores / sum of the stages")
    for precision in precisions:
        for workers in (1, 4):
            rows = [row_of(path) for path in glob.glob(f"{work}/{precision}.{workers}.*/summary.json")]
            text = "  ".join(f"{name} {1000 * middle(row['stages'][name] for row in rows):.3f}" for name in rows[0]["stages"])
            print(f"{precision:8} {workers} worker{'s' if workers > 1 else ' '}  {rows[0]['images']} images  {text}  {middle(row['rate'] for row in rows):.2f} images/s  "
                  f"share {middle(row['share'] for row in rows):.3f}  (rounds: {' '.join(f'{share:.3f}' for share in sorted(row['share'] for row in rows))}; "
                  f"{100 * rows[0]['again']:.1f} % computed again; others had {100 * middle(row['others'] for row in rows):.0f} % of the cores)")


if sys.argv[1] == "run":
    run(sys.argv[2], sys.argv[3:])
else:
    print_table(sys.argv[2], sys.argv[3].split())
