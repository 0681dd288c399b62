"""article.py COORDINATOR LIST WEIGHTS LABELS WORK ROUNDS: called by tests/bench/article. Runs the article's job over the photos of LIST in turns with sleddog (f32,
and int8 where it can) and with the article's own pipeline, and prints medians: images/s from the start of the processes to the end, CPU an image, peak memory."""
import importlib.util
import json
import os
import pickle
import statistics
import subprocess
import sys
import time


def say_what_is_missing():
    missing = [name for name in ("torch", "torchvision", "distributed") if not importlib.util.find_spec(name)]
    if missing:
        print("the article's pipeline is not measured: " + ", ".join(f"python3-{name}" for name in missing) + " not installed (make packages-bench)")
    return bool(missing)


class Run:
    """One process and all that it starts: wall time, CPU time and the peak of all their memory together."""

    def __init__(self, command, output):
        start, self.peak = time.monotonic(), 0
        with open(output, "w") as out, open(output + ".err", "w") as err:
            child = subprocess.Popen(command, stdout=out, stderr=err, start_new_session=True)
            while True:
                pid, status, usage = os.wait4(child.pid, os.WNOHANG)
                if pid:
                    break
                self.peak = max(self.peak, self.memory(child.pid))
                time.sleep(0.2)
        child.returncode = 0
        self.seconds, self.cpu, self.failed = time.monotonic() - start, usage.ru_utime + usage.ru_stime, status != 0

    @staticmethod
    def memory(session):
        pages = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.getsid(int(pid)) == session:
                    pages += int(open(f"/proc/{pid}/statm").read().split()[1])
            except OSError:
                pass  # it has ended
        return pages * os.sysconf("SC_PAGE_SIZE")


class Sleddog:
    def __init__(self, coordinator, photos, weights, work, precision):
        self.name, self.work, self.runs, self.best = f"sleddog, {precision}", f"{work}/{precision}", [], {}
        self.command = [coordinator, "run", "--local", "1", "--preset", "article", "--batch", "60", "--per-image", "--truth", "n[0-9]+[-_]([^/.]+)[/.]", "--precision", precision,
                        "--weights", weights, "@" + photos]

    def run(self):
        job = f"{self.work}.{len(self.runs)}"
        run = Run(self.command + ["--job", job], self.work + ".out")
        if run.failed:
            print(f"{self.name}: failed: " + open(self.work + ".out.err").read())
            return False
        self.runs.append(run)
        rows = [json.loads(line) for line in open(job + "/predictions.jsonl")]
        self.best = {row["name"]: row["predictions"][0]["index"] for row in rows if row["predictions"]}
        self.right = sum(bool(row["match"]) for row in rows)
        return True


class Dask:
    name = "the article: Dask, PyTorch"

    def __init__(self, photos, weights, labels, work):
        self.work, self.runs, self.best = work, [], {}
        self.folder, model = work + "/preds", work + "/model.pth"
        os.makedirs(self.folder)
        write_model(weights, model)
        self.command = ["/usr/bin/python3", os.path.join(os.path.dirname(__file__), "article_dask.py"), photos, model, labels, self.folder]

    def run(self):
        run = Run(self.command, self.work + "/dask.out")
        if run.failed or json.load(open(self.work + "/dask.out"))["failed"]:
            print(f"{self.name}: failed: " + open(self.work + "/dask.out.err").read())
            return False
        self.runs.append(run)
        rows = [pickle.load(open(f"{self.folder}/{name}", "rb")) for name in os.listdir(self.folder)]
        self.best = {row["name"]: row["prediction"] for row in rows}
        self.right = sum(row["evaluation"] for row in rows)
        return True


def write_model(weights, path):
    import numpy
    import torch
    import torchvision
    with open(weights, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = numpy.frombuffer(file.read(), numpy.uint8).copy()
    state = torchvision.models.resnet50(weights=None).state_dict()
    for name, entry in header.items():
        if name != "__metadata__":
            first, end = entry["data_offsets"]
            state[name] = torch.from_numpy(data[first:end].view(numpy.float32).reshape(entry["shape"]))
    torch.save(state, path)


def main():
    coordinator, photos, weights, labels, work, rounds = sys.argv[1:]
    images = len(open(photos).read().splitlines())
    rivals = [Sleddog(coordinator, photos, weights, work, precision) for precision in ("f32", "int8")]
    if not say_what_is_missing():
        rivals.append(Dask(photos, weights, labels, work))
    for _ in range(int(rounds)):
        rivals = [rival for rival in rivals if rival.run()]
    print(f"{images} photos, {len(os.sched_getaffinity(0))} cores, preset article, batches of 60, median of {rounds} rounds, in turns, processes' start included")
    f32, middle = rivals[0], statistics.median
    for rival in rivals:
        rate, cpu = middle(images / run.seconds for run in rival.runs), middle(run.cpu / images for run in rival.runs)
        same = sum(best == f32.best.get(name) for name, best in rival.best.items())
        ratio = middle(theirs.cpu / run.cpu for theirs, run in zip(rivals[-1].runs, rival.runs))
        print(f"{rival.name:28} {rate:7.2f} images/s  {1000 * cpu:7.2f} ms of CPU an image  {max(run.peak for run in rival.runs) / 1e6:6.0f} MB  right {rival.right}, "
              f"{same} answers as {f32.name}" + (f"  the article's CPU: {ratio:.2f} times" if isinstance(rivals[-1], Dask) else ""))


main()
