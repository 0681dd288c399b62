"""endtoend.py: a whole job on this machine: a coordinator and a worker, files in the page cache, the cuDNN engine. How much of what its processors can
do is done, and what binds.

An image takes so many CPU-seconds in the stages that run on processors; cores / that is what the machine can do at most, as long as the GPU keeps up.
The engine's time is the GPU's, not a processor's. What the processes need beside the stages (messages, rows, launches) is told as well, and not subtracted."""
import json
import os
import resource
import shlex
import shutil
import statistics
import subprocess

import machine

RUNS = 3
WANTED = 0.9
LABELS_BUILT_IN = 1000
PROGRAMS = ("sleddog-coordinator", "sleddog-worker")
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
STAGES = ("fetch", "decode", "engine")


# ---- what is read ----------------------------------------------------------------------------------------------------------


def pictures(folder):
    found = [os.path.join(path, name) for path, _, names in os.walk(folder) for name in names if name.lower().endswith(PICTURES)]
    return sorted(found)


def replicate(folder, target, count):
    """Exactly `count` entries: the photos are copied once, because hard links end at a file system, and then linked in turns."""
    originals, entries = os.path.join(target, "originals"), os.path.join(target, "photos")
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(originals)
    os.makedirs(entries)
    copies = []
    for i, path in enumerate(pictures(folder)[:count]):
        copies.append(os.path.join(originals, f"{i:05}{os.path.splitext(path)[1].lower()}"))
        shutil.copyfile(path, copies[-1])
    for i in range(count if copies else 0):
        copy = copies[i % len(copies)]
        os.link(copy, os.path.join(entries, f"{i:05}{os.path.splitext(copy)[1]}"))
    return entries, len(copies)


# ---- a run -----------------------------------------------------------------------------------------------------------------


class Run:
    """One job that came to its end: times in seconds; CPU in seconds an image, but `process_cpu`, which is that of all processes in all."""

    def __init__(self, job, process_cpu):
        self.process_cpu = process_cpu
        with open(os.path.join(job, "summary.json")) as file:
            summary = json.load(file)
        times, images = summary["time"], summary["images"]
        self.images, self.failed, self.stages = images["examined"], images["failed"], {s["name"]: s for s in summary["stages"]}
        self.rate, self.working, self.elapsed = times["working_images_per_s"], times["working_s"], times["elapsed_s"]
        self.cost = {name: self.stages[name]["busy_s"] / self.images for name in STAGES}
        self.cpu = self.cost["fetch"] + self.cost["decode"]
        self.coordinator = times["coordinator_cpu_s"] / self.images
        self.middle = middle_rate(summary["history"]) or self.rate
        with open(os.path.join(job, "predictions.jsonl"), "rb") as file:
            self.predictions = file.read()

    def load(self, stage):
        """The part of the time that its threads worked."""
        return self.stages[stage]["busy_s"] / (self.stages[stage]["threads"] * self.working)


def middle_rate(history):
    """Images/s between a quarter and three quarters of the images: without the beginning and the end. None: too few samples."""
    moments, done = history["time_s"], history["done"]
    inside = [i for i, n in enumerate(done) if 0.25 * done[-1] <= n <= 0.75 * done[-1]]
    first, last = (inside[0], inside[-1]) if inside else (0, 0)
    return (done[last] - done[first]) / (moments[last] - moments[first]) if moments[last] > moments[first] else None


def children_cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Bench:
    """The programs, and all that the runs have in common."""

    def __init__(self, args, weights, classes, folder):
        self.programs, self.folder = os.path.abspath(args.programs), folder
        self.env = dict(os.environ)
        self.env.setdefault("SLEDDOG_ENGINES", self.programs)
        if args.libraries:
            folders = [*args.libraries.split(":"), *self.env.get("LD_LIBRARY_PATH", "").split(":")]
            self.env["LD_LIBRARY_PATH"] = ":".join(folder for folder in folders if folder)
        self.options = ["--local", "1", "--engine", "cudnn", "--precision", "f16", "--threads", str(args.threads), "--engine-batch", str(args.end_batch),
                        "--resize", str(args.side * 256 // 224), "--crop", str(args.side), "--weights", weights]
        if classes != LABELS_BUILT_IN:
            labels = os.path.join(folder, "labels.txt")
            with open(labels, "w") as file:
                file.writelines(f"class {i}\n" for i in range(classes))
            self.options += ["--labels", labels]
        if args.fake:
            self.options += ["--tune", "off"]  # looking for plans would run the CPU's convolutions hundreds of times

    def command(self, job, source):
        return [os.path.join(self.programs, PROGRAMS[0]), "run", *self.options, "--cache", os.path.join(self.folder, "cache"), "--job", job, source]

    def shown(self):
        return shlex.join(["sleddog-coordinator", "run", *(os.path.basename(word) if os.path.isabs(word) else word for word in self.options), "photos"])

    def run(self, name, source, seconds=400):
        """A Run, or what went wrong."""
        job = os.path.join(self.folder, name)
        shutil.rmtree(job, ignore_errors=True)
        before = children_cpu()
        try:
            done = subprocess.run(self.command(job, source), env=self.env, capture_output=True, text=True, timeout=seconds)
        except (OSError, subprocess.TimeoutExpired) as problem:
            return str(problem)
        if done.returncode:
            return " / ".join(done.stderr.strip().splitlines()[-3:])
        return Run(job, children_cpu() - before)


# ---- what is said of it ----------------------------------------------------------------------------------------------------


def ms(seconds):
    return f"{1e3 * seconds:.3f}"


def tell_runs(report, runs, cores):
    report.table(["run", "images/s", "in the middle half", "s of work", "s in all", "fetch", "decode", "coordinator", "engine", "cores / CPU", "ratio"])
    for i, run in enumerate(runs):
        report.row(i + 1, f"{run.rate:.0f}", f"{run.middle:.0f}", f"{run.working:.2f}", f"{run.elapsed:.2f}", ms(run.cost["fetch"]), ms(run.cost["decode"]),
                   ms(run.coordinator), ms(run.cost["engine"]), f"{cores / run.cpu:.0f}", f"{run.rate * run.cpu / cores:.3f}")


def what_binds(run, cores, gpu_rate):
    busy, gpu = run.rate * run.cpu / cores, run.rate / gpu_rate
    if gpu > busy:
        return f"The engine binds: the GPU was busy {100 * gpu:.0f} % of the time, and the stages on processors used {100 * busy:.0f} % of the cores."
    stage = max(("fetch", "decode"), key=lambda name: run.cost[name])
    return (f"{stage} binds: it is {100 * run.cost[stage] / run.cpu:.0f} % of the CPU time of the stages, which use {100 * busy:.0f} % of the cores; "
            f"its {run.stages[stage]['threads']} threads worked {100 * run.load(stage):.0f} % of the time. The GPU was busy {100 * gpu:.0f} % of it.")


def tell_limits(args, report, runs, small, cores, gpu_rate):
    run = sorted(runs, key=lambda one: one.rate)[len(runs) // 2]
    rate, limit = statistics.median(one.rate for one in runs), cores / run.cpu
    least = min(limit, gpu_rate)
    good = rate >= WANTED * least and gpu_rate > 0  # a GPU that could not be measured is no success
    judged = "not judged, its times mean nothing" if args.fake else report.verdict(good)
    report.line(f"\nMedian: **{rate:.0f} images/s** from the first dispatch to the last commit. {cores:g} cores / ({ms(run.cpu)} ms of CPU an image) = {limit:.0f} "
                f"images/s; the GPU alone: {gpu_rate:.0f} images/s. Of the smaller one {rate / least:.3f} was reached, at least {WANTED} is wanted: {judged}.\n")
    report.line(f"- {what_binds(run, cores, gpu_rate)}")
    report.line(f"- Feeding this GPU takes {gpu_rate * run.cpu:.1f} such cores; these {cores:g} can keep it busy {min(100, 100 * limit / gpu_rate):.0f} % of the time.")
    if isinstance(small, Run) and small.images < run.images:
        whole = (run.process_cpu - small.process_cpu) / (run.images - small.images)
        report.line(f"- All CPU of both processes, their start (that of a job of {small.images} images) subtracted: {ms(whole)} ms an image, "
                    f"{100 * (whole / run.cpu - 1):.0f} % more than the stages; of cores / that, {rate * whole / cores:.3f} was reached.")


def tell_answers(report, runs, count):
    whole = all(run.images == count and not run.failed and run.predictions.count(b"\n") == count for run in runs)
    failed = sum(run.failed for run in runs)
    same = all(run.predictions == runs[0].predictions for run in runs)
    report.line(f"- {count} images in each of {len(runs)} runs, {failed} without a prediction: {report.verdict(whole)}; "
                f"the tables of all of them: {'the same bytes' if same else report.verdict(False)}.")


def lacks(args):
    """Why it cannot be done; None: it can."""
    if not args.programs or not args.photos:
        return "--programs DIR (sleddog-coordinator, sleddog-worker and sleddog-engine-cudnn.so, built elsewhere) and --photos DIR were not both given"
    for name in PROGRAMS:
        if not os.access(os.path.join(args.programs, name), os.X_OK):
            return f"{args.programs} has no program {name}"
    return None if pictures(args.photos) else f"{args.photos} has no pictures"


def write(args, report, weights, gpu_rate):
    """`weights`: makes the file; returns its path, and how many classes it has. `gpu_rate`: images/s of the GPU alone, from pinned memory; measured when called."""
    report.line("\n## End to end\n")
    problem = lacks(args)
    if problem:
        report.line(f"Skipped: {problem}.")
        return
    cores, folder = machine.cores(), os.path.abspath(os.path.join(args.work, "end"))
    shutil.rmtree(folder, ignore_errors=True)
    entries, originals = replicate(args.photos, os.path.join(folder, "files"), args.images)
    bench = Bench(args, *weights(), folder)
    report.line(f"{args.images} entries that are hard links to {originals} photos, in the page cache; one coordinator and one local worker, {args.threads} decode threads, "
                f"engine batches of {args.end_batch} in f16; one run to warm up, then {RUNS}. Times of stages are ms an image: CPU, but the engine's, which is the GPU's.\n")
    report.line(f"    {bench.shown()}")
    warm = bench.run("warm", entries)
    runs = [bench.run(f"job-{i}", entries) for i in range(RUNS)] if isinstance(warm, Run) else [warm]
    bad = [run for run in runs if not isinstance(run, Run)]
    if bad:
        report.line(f"\n{report.verdict(False)}: {bad[0]}")
        return
    with open(os.path.join(folder, "few"), "w") as file:
        file.writelines(os.path.join(entries, name) + "\n" for name in sorted(os.listdir(entries))[:max(1, args.images // 20)])
    tell_runs(report, runs, cores)
    tell_limits(args, report, runs, bench.run("small", "@" + file.name), cores, gpu_rate())
    tell_answers(report, [warm, *runs], args.images)
    shutil.rmtree(folder, ignore_errors=True)
