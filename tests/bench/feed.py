"""feed.py TOP FOLDER WORK: called by tests/bench/feed, which says what it does."""
import os
import statistics
import subprocess
import sys
import time

top, folder, work = sys.argv[1:]
sys.path.insert(0, os.path.join(top, "tests/gpu"))
import endtoend  # noqa: E402
import machine  # noqa: E402

ROUNDS, COST_US = int(os.environ.get("ROUNDS", 3)), int(os.environ.get("COST", 25))


def busy_s():
    """CPU-seconds of everybody on this machine so far, those that a hypervisor gave to others included."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, irq, softirq, steal = (int(n) for n in file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def job(name, entries, *options):
    path, start, busy, own = os.path.join(work, name), time.monotonic(), busy_s(), endtoend.children_cpu()
    subprocess.run([os.path.join(top, "build/sleddog-coordinator"), "run", "--local", "1", "--engine", "sim", "--engine-batch", "256", "--engine-threads", "1",
                    "--sim-cost-us", str(COST_US), *options, "--job", path, entries], check=True, capture_output=True)
    own = endtoend.children_cpu() - own
    run = endtoend.Run(path, own)
    run.others = (busy_s() - busy - own) / (time.monotonic() - start)
    return run


def several(count, *options):
    entries, _ = endtoend.replicate(folder, os.path.join(work, "files"), count)
    job("warm-" + options[-1], entries, *options)
    return [job(f"{options[-1]}-{i}", entries, *options) for i in range(ROUNDS)]


def tell(name, runs, limits):
    shares = [run.rate / limit for run, limit in zip(runs, limits)]
    print(f"{name}: {statistics.median(run.rate for run in runs):.0f} images/s, {statistics.median(shares):.3f} of {statistics.median(limits):.0f} "
          f"({', '.join(f'{share:.3f}' for share in shares)}); starved decode threads: "
          f"{statistics.median(run.stages['decode']['wait_s'] / run.stages['decode']['threads'] / run.working for run in runs):.3f} of the time; "
          f"others had {statistics.median(run.others for run in runs):.2f} cores")


cores, engine = machine.cores(), 1e6 / COST_US
decoded = several(int(os.environ.get("COUNT", 4000)), "--threads", str(len(os.sched_getaffinity(0))))
tell(f"decoded on {cores:g} cores", decoded, [min(cores / run.cpu, engine) for run in decoded])
fetched = several(20580, "--threads", "16", "--decode", "none")
tell("fetched only", fetched, [engine for _ in fetched])
