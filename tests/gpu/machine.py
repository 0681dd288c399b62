"""machine.py: what was measured on: the processors, the card, and its clocks while it works."""
import os
import platform
import shutil
import statistics
import subprocess
import threading
import time

SAMPLE_S = 0.5
FACTS = ["name", "driver_version", "clocks.sm", "clocks.max.sm", "clocks.mem", "power.limit", "temperature.gpu"]


def first_match(path, key):
    """The value of the first line "key : value"; None: there is none."""
    try:
        with open(path) as file:
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith(key)), None)
    except OSError:
        return None


def quota():
    """Processors that the control group may use at once; None: as many as there are."""
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:
            allowed, period = file.read().split()[:2]
        return None if allowed == "max" else float(allowed) / float(period)
    except (OSError, ValueError):
        return None


def cores():
    """Processors that this process may use: those it is bound to, or fewer if its control group has less time than they."""
    bound = len(os.sched_getaffinity(0))
    return min(bound, quota() or bound)


def query(fields):
    """What nvidia-smi says of the first GPU that is visible, in this order; None: it says nothing."""
    tool = shutil.which("nvidia-smi")
    if not tool:
        return None
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0]
    try:
        done = subprocess.run([tool, f"--id={visible or 0}", "--query-gpu=" + ",".join(fields), "--format=csv,noheader"],
                              capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return [value.strip() for value in done.stdout.splitlines()[0].split(",")] if done.returncode == 0 and done.stdout else None


def describe():
    """Lines for the head of the report."""
    bound, share = len(os.sched_getaffinity(0)), quota()
    limited = f", of which the control group may use {share:g}" if share and share < bound else ""
    yield f"{first_match('/proc/cpuinfo', 'model name') or platform.machine()}: {bound} cores{limited}; Linux {platform.release()}"
    found = query(FACTS)
    if not found:
        yield "GPU: nvidia-smi says nothing here: driver, clocks and power are not known"
        return
    name, driver, clock, most, memory, power, heat = found
    yield f"{name}, driver {driver}; idle: SM {clock} of at most {most}, memory {memory}, power limit {power}, {heat} C"


class Clocks:
    """Samples the SM clock and the power for as long as the block under it runs."""

    def __enter__(self):
        self.samples, self.over = [], threading.Event()
        self.thread = threading.Thread(target=self.sample, daemon=True)
        self.thread.start()
        return self

    def sample(self):
        while not self.over.is_set():
            start, found = time.monotonic(), query(["clocks.sm", "power.draw", "utilization.gpu"])
            try:
                self.samples.append([float(value.split()[0]) for value in found])
            except (TypeError, ValueError, IndexError):
                return  # nvidia-smi is not there, or does not know
            self.over.wait(max(0, SAMPLE_S - (time.monotonic() - start)))

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def describe(self):
        """Of the samples at which the GPU had work."""
        busy = [sample for sample in self.samples if sample[2] > 0]
        if not busy:
            return "Clocks under load: not known, nvidia-smi says nothing here." if not self.samples else "Clocks under load: the GPU was never seen busy."
        clock, power = ([sample[i] for sample in busy] for i in range(2))
        return (f"Under load (least, median, most of {len(busy)} samples): SM {min(clock):.0f}, {statistics.median(clock):.0f}, {max(clock):.0f} MHz; "
                f"{min(power):.0f}, {statistics.median(power):.0f}, {max(power):.0f} W.")
