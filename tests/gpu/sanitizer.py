"""sanitizer.py: compute-sanitizer's tools over one run of the engine.

They look into every kernel, cuDNN's too, and once more into our own alone. Where the first finds something, the second is what is judged; but for memcheck,
because a kernel of cuDNN's that leaves its memory was given too little of it, and initcheck, which would take what the others wrote for never written: of its
reports those count that name a kernel of ours. All of that at once, since nothing is timed here."""
import concurrent.futures
import os
import re
import shutil
import subprocess

COUNTS = ("memcheck", "racecheck", "initcheck")  # the verdict is of these
OTHERS = ("synccheck",)
REPORTED, TIMED_OUT = 9, (124, 137)
LINES = 12  # of a tool's words, where it reports something


def own_kernels(source):
    """Their names as they are in mangled ones, of any linkage: a length and the type of the arguments, which only they have."""
    with open(source) as file:
        text = file.read()
    types = re.findall(r"__global__[^;{]*?\b\w+\((\w+) \w+\)", text)
    assert len(types) == text.count("__global__"), f"{source} has a kernel whose arguments are not one struct: it would be judged as somebody else's"
    return sorted({f"{len(name)}{name}" for name in types})


class Outcome:
    """What a tool said. state: "clean", "reports", "no answer"."""

    def __init__(self, code, text, seconds):
        counts = [int(n) for n in re.findall(r"(?:ERROR SUMMARY|RACECHECK SUMMARY): (\d+)", text)]
        self.count = counts[-1] if counts else 0
        self.kernels = re.findall(r"\bat (\S.*?)\+0x[0-9a-f]+", text)
        self.lines = [line for line in text.splitlines() if line.startswith("=========") and line.strip("= ") not in ("", "COMPUTE-SANITIZER")][:LINES]
        missed = "Internal Sanitizer Error" in text
        if code in TIMED_OUT:
            self.state, self.said = "no answer", f"not done after {seconds} s"
        elif code == REPORTED or self.count:
            self.state, self.said = "reports", f"{self.count} reports, the first in `{(self.kernels or ['?'])[0]}`"
        elif code or missed:
            last = ([line for line in text.splitlines() if missed == ("Internal Sanitizer Error" in line)] or ["?"])[-1]
            self.state, self.said = "no answer", last.strip("= ").strip()
        else:
            self.state, self.said = "clean", "no errors"

    def blames(self, kernels):
        """How many of the reports are in these; all, if it is not known where they are."""
        names = [re.sub("^[0-9]+", "", name) for name in kernels]
        return sum(any(name in kernel for name in names) for kernel in self.kernels) if self.kernels else self.count


def filter_option(tool):
    """What a kernel's name is given with; it was called otherwise once."""
    known = subprocess.run([tool, "--help"], capture_output=True, text=True)
    return "--kernel-name" if "--kernel-name" in known.stdout + known.stderr else "--kernel-regex"


def look(tool, kind, run, seconds, kernels=()):
    only = [part for name in kernels for part in (filter_option(tool), "kns=" + name)]
    wrap = ("timeout", "-k", "5", str(seconds), tool, "--tool", kind, "--error-exitcode", str(REPORTED), *only)
    return Outcome(*run(wrap), seconds)


def judge(kind, whole, own, kernels):
    """(whether it is good, what is said of our own kernels)."""
    if kind == "initcheck":
        ours = whole.blames(kernels)
        return whole.state == "reports" and not ours, f"{ours} reports" if whole.state == "reports" else whole.said
    return own.state == "clean" and (kind != "memcheck" or whole.state != "reports"), own.said


def examine(report, kind, whole, own, kernels):
    good, said = (True, "") if whole.state == "clean" else judge(kind, whole, own, kernels)
    judged = report.verdict(good) if kind in COUNTS else "seen"
    if whole.state == "clean":
        report.line(f"- {kind}: {judged}: {whole.said}, in any kernel")
        return
    report.line(f"- {kind}: {judged}: our own kernels: {said}; all kernels, cuDNN's among them: {whole.said}")
    for line in own.lines if own.state == "reports" else whole.lines if whole.state == "reports" else []:
        report.line(f"      {line}")


def write(report, run, what, seconds, root):
    """`run(wrap)`: the engine under that command; returns its exit status, and all that was printed. `what`: it computes."""
    tool = shutil.which("compute-sanitizer")
    report.line("\n## compute-sanitizer\n")
    if not tool:
        report.line("Not on this machine.")
        return
    kernels = own_kernels(os.path.join(root, "worker/engines/kernels.cu"))
    report.line(f"{what}. {', '.join(COUNTS)} count. Each run has {seconds} s. Where a tool reports something, its run over our own kernels "
                f"({', '.join(kernels)} in their mangled names) is judged; but memcheck may report nothing anywhere, and initcheck nothing in ours.\n")
    with concurrent.futures.ThreadPoolExecutor(2 * len(COUNTS + OTHERS)) as pool:
        looks = [(kind, pool.submit(look, tool, kind, run, seconds), pool.submit(look, tool, kind, run, seconds, kernels)) for kind in COUNTS + OTHERS]
        for kind, whole, own in looks:
            examine(report, kind, whole.result(), own.result(), kernels)
