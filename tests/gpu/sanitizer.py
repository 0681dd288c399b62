"""sanitizer.py: compute-sanitizer's tools over one run of the engine.

They look into every kernel, cuDNN's and cublasLt's too. Where that finds something, it is judged by the kernels it names: those of ours may not be among them. memcheck may find
nothing anywhere, because a kernel of a library that leaves its memory was given too little of it. racecheck takes kernels of Hopper for racing that wait for their data
at a barrier in shared memory (mbarrier), as cublasLt's do. A run that the tool itself ended says nothing; then a second one, over our own kernels alone, is judged, but for initcheck,
which would take what the others wrote for never written. initcheck has the GPU for itself: it is the slowest, and the engine gives up a GPU that is too slow.
Before any plan runs the engine writes all that plans may read (build_noise()), so initcheck says of activations only that nothing beside them is read; what is of weights, pixels
and marks it says in full. What the tools said is kept beside the bench."""
import concurrent.futures
import os
import re
import shutil
import subprocess

COUNTS = ("memcheck", "racecheck", "initcheck")  # the verdict is of these
OTHERS = ("synccheck",)
REPORTED, TIMED_OUT = 9, (124, 137)
LINES = 12  # of a tool's words, where it reports something
PRINTED = 200  # reports, each of which takes a tool milliseconds; all are counted
BROKEN = ("Internal Sanitizer Error", "Target application returned an error")  # counted as errors, and no report of what was looked for


def own_kernels(source):
    """Their names as they are in mangled ones, of any linkage: a length and the type of the arguments, which only they have."""
    with open(source) as file:
        text = file.read()
    types = re.findall(r"__global__[^;{]*?\b\w+\((\w+) \w+\)", text)
    assert len(types) == text.count("__global__"), f"{source} has a kernel whose arguments are not one struct: it would be judged as somebody else's"
    return sorted({f"{len(name)}{name}" for name in types})


class Outcome:
    """What a tool said. state: "clean", "reports", "no answer"."""

    def __init__(self, kind, code, text, seconds):
        done = re.search(r"^fingerprint ", text, re.M)  # the bench's last word
        summary = "RACECHECK SUMMARY" if kind == "racecheck" else "ERROR SUMMARY"
        counts = [int(n) for n in re.findall(summary + r": (\d+) (?:errors?$|hazards? displayed)", text, re.M)]
        self.count = counts[-1] if counts else 0
        complaints = re.findall(r"^=+ (?:Error|Warning):.*", text, re.M)
        self.kernels = re.findall(r"\bat (\S.*?)\+0x[0-9a-f]+|\bat 0x[0-9a-f]+ in (?:\S+:\d+:)?(.+)", text)
        self.kernels = [new or old for new, old in self.kernels]
        self.lines = [line for line in text.splitlines() if line.startswith("=========") and line.strip("= ") not in ("", "COMPUTE-SANITIZER")][:LINES]
        broken = [line for line in text.splitlines() if any(words in line for words in BROKEN)]
        if code in TIMED_OUT:
            self.state, self.said = "no answer", f"not done after {seconds} s"
        elif not done:
            found = f", after {self.count} reports, the first in `{self.kernels[0]}`" if self.kernels else ""
            self.state, self.said = "no answer", (broken or [line for line in text.splitlines() if line.strip()] or ["?"])[-1].strip("= ").strip() + found
        elif broken:
            self.state, self.said = "no answer", broken[-1].strip("= ").strip()
        elif self.kernels or code == REPORTED or self.count:
            self.state, self.said = "reports", f"{self.count} reports, the first in `{(self.kernels or ['?'])[0]}`"
        elif code or not counts or complaints:
            self.state, self.said = "no answer", (complaints or text.splitlines()[-1:] or ["it said nothing"])[-1].strip("= ").strip()
        else:
            self.state, self.said = "clean", "no errors"

    def blames(self, kernels):
        """How many of the reports are in these, or in none that is named, as those of what we ask CUDA to copy."""
        names = [re.sub("^[0-9]+", "", name) for name in kernels]
        return max(0, min(self.count, PRINTED) - len(self.kernels)) + sum(any(name in kernel for name in names) for kernel in self.kernels)


def filter_option(tool):
    """What a kernel's name is given with; it was called otherwise once."""
    known = subprocess.run([tool, "--help"], capture_output=True, text=True)
    return "--kernel-name" if "--kernel-name" in known.stdout + known.stderr else "--kernel-regex"


def look(tool, kind, run, seconds, folder, kernels=()):
    only = [part for name in kernels for part in (filter_option(tool), "kns=" + name)]
    log = os.path.join(os.path.abspath(folder), f"{kind}{'-own' if kernels else ''}.txt")
    if os.path.exists(log):
        os.remove(log)
    wrap = ("timeout", "-k", "5", str(seconds), tool, "--tool", kind, "--error-exitcode", str(REPORTED), "--print-limit", str(PRINTED), "--log-file", log, *only)
    code, text = run(wrap)
    with open(log, "a+") as file:  # apart from what the bench says, or one would be in the middle of the other's lines
        file.write(("" if file.tell() == 0 else "\n") + text)
        file.seek(0)
        return Outcome(kind, code, file.read(), seconds)


def judge(kind, whole, own, kernels):
    """(whether it is good, what is said of our own kernels)."""
    ours = whole.blames(kernels)
    if whole.state == "reports" or (whole.kernels and ours):
        return not ours and kind != "memcheck", f"{ours} reports"
    return own.state == "clean" and kind != "initcheck", own.said if kind != "initcheck" else "not known"


def examine(report, kind, whole, own, kernels):
    clean = whole.state == "clean"
    good, said = (True, "") if clean else judge(kind, whole, own, kernels)
    judged = report.verdict(good) if kind in COUNTS else "seen"
    if clean:
        report.line(f"- {kind}: {judged}: {whole.said}, in any kernel")
        return
    report.line(f"- {kind}: {judged}: our own kernels: {said}; all kernels, cuDNN's among them: {whole.said}")
    for line in whole.lines if whole.state == "reports" else own.lines if own.state == "reports" else []:
        report.line(f"      {line}")


def write(report, run, what, seconds, root, folder):
    """`run(wrap)`: the engine under that command; returns its exit status, and all that was printed. `what`: it computes."""
    tool = shutil.which("compute-sanitizer")
    report.line("\n## compute-sanitizer\n")
    if not tool:
        report.line("Not on this machine.")
        return
    kernels = own_kernels(os.path.join(root, "worker/engines/kernels.cu"))
    report.line(f"{what}. {', '.join(COUNTS)} count. Each run has {seconds} s. Where a tool reports something, it may not be in our own kernels "
                f"({', '.join(kernels)} in their mangled names), and memcheck may report nothing anywhere.\n")
    whole = look(tool, "initcheck", run, seconds, folder)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:  # each keeps the memory of a network, and racecheck some more
        looks = {kind: [pool.submit(look, tool, kind, run, seconds, folder, only) for only in ((), kernels)] for kind in COUNTS + OTHERS if kind != "initcheck"}
        for kind in COUNTS + OTHERS:
            if kind == "initcheck":
                examine(report, kind, whole, whole, kernels)
            else:
                examine(report, kind, *(look.result() for look in looks[kind]), kernels)
