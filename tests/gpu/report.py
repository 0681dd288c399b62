"""report.py: is the cuDNN engine right, and how fast is it beside PyTorch on the same card? One markdown report. Started by tests/gpu/run."""
import argparse
import copy
import datetime
import math
import os
import shlex
import subprocess
import sys
import time

import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import endtoend  # noqa: E402
import machine  # noqa: E402
import sanitizer  # noqa: E402
from inputs import as_bytes, make_model, make_pixels, normalise, weights_file, write_flat, write_ranges  # noqa: E402
from resnet import NETWORKS  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SANITIZER_SIDE = 64  # pixels: its tools take a thousand times as long as the engine


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bench", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--device", default="", help=argparse.SUPPRESS)
    parser.add_argument("--work", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--here", default=".", help=argparse.SUPPRESS)
    parser.add_argument("--fake", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--data", help="folder with NETWORK*.safetensors[.gz] and photos.u8[.gz], (n, SIDE, SIDE, 3); random without")
    parser.add_argument("--out", default="gpu-report.md", help="the report")
    parser.add_argument("--network", default="resnet50", choices=NETWORKS)
    parser.add_argument("--side", type=int, default=224, help="pixels of an image's side")
    parser.add_argument("--batches", default="1,2,4,8,16,32,64,128,256,512,1024")
    parser.add_argument("--check-batches", default="1,64,256", help="at which answers are compared with PyTorch's")
    parser.add_argument("--precisions", default="f32,f16,bf16,int8")
    parser.add_argument("--compile-batches", default="64,256", help="where torch.compile(max-autotune) is measured; it takes minutes")
    parser.add_argument("--seconds", type=float, default=1, help="for a measurement")
    parser.add_argument("--parts", default="check,sanitizer,speed,torch,layers,end,compile", help="of these")
    parser.add_argument("--sanitizer-seconds", type=int, default=90, help="for each of compute-sanitizer's runs")
    parser.add_argument("--programs", help="folder with sleddog-coordinator, sleddog-worker and sleddog-engine-cudnn.so, built elsewhere: for \"end\"")
    parser.add_argument("--libraries", help="folders (with : between them) of what those are linked with, where the system does not have it")
    parser.add_argument("--photos", help="folder with photos: for \"end\"")
    parser.add_argument("--images", type=int, help="entries that they are replicated to (20580)")
    parser.add_argument("--threads", type=int, default=math.ceil(machine.cores()), help="that decode, in \"end\"; as many as there are cores")
    args = parser.parse_args()
    args.out = os.path.join(args.here, args.out)
    args.libraries = args.libraries and ":".join(os.path.join(args.here, folder) for folder in args.libraries.split(":"))
    args.data, args.photos, args.programs = (path and os.path.join(args.here, path) for path in (args.data, args.photos, args.programs))
    args.images, args.end_batch = args.images or (40 if args.fake else 20580), 2 if args.fake else 256
    args.batches = [int(b) for b in args.batches.split(",")]
    args.compile_batches = [int(b) for b in args.compile_batches.split(",") if b]
    args.check_batches = [int(b) for b in args.check_batches.split(",")]
    args.precisions, args.parts = args.precisions.split(","), args.parts.split(",")
    return args


class Report:
    def __init__(self, path):
        self.file, self.failed, self.notes = open(path, "w"), 0, []

    def line(self, text=""):
        print(text, flush=True)
        print(text, file=self.file, flush=True)

    def table(self, head):
        self.line()
        self.line("| " + " | ".join(head) + " |")
        self.line("|" + "---|" * len(head))

    def row(self, *cells):
        self.line("| " + " | ".join(str(cell) for cell in cells) + " |")

    def note(self, text):
        """For below the table that is being written."""
        self.notes.append(text)

    def tell_notes(self):
        for text in self.notes:
            self.line(f"\n- {text}")
        self.notes = []

    def verdict(self, good):
        self.failed += not good
        return "ok" if good else "**WRONG**"


# ---- the engine ----------------------------------------------------------------------------------------------------------


def setting(args, flat, precision, batch):
    return [*flat, args.network, str(args.side), precision, str(batch)]


def bench(args, command, *rest, wrap=(), plans=True):
    env = dict(os.environ, BENCH_RANGES=os.path.join(args.work, "ranges"))
    if plans and not args.fake:  # looking for plans would run the CPU's convolutions hundreds of times
        env["BENCH_PLANS"] = os.path.join(args.work, "plans")
    done = subprocess.run([*wrap, args.bench, command, *rest], env=env, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr.strip()


def words(output):
    return {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in output.splitlines() if " " in line}


def engine_logits(args, flat, precision, batch, pixels, wrap=(), plans=True):
    source, target = os.path.join(args.work, "pixels.u8"), os.path.join(args.work, "logits.f32")
    with open(source, "wb") as file:
        file.write(as_bytes(pixels))
    code, output, error = bench(args, "logits", *setting(args, flat, precision, batch), source, str(len(pixels)), target, wrap=wrap, plans=plans)
    if code:
        return None, error or output
    with open(target, "rb") as file:
        data = file.read()
    return torch.frombuffer(bytearray(data), dtype=torch.float32).reshape(len(pixels), -1), data


# ---- PyTorch -------------------------------------------------------------------------------------------------------------


def torch_logits(model, pixels, device):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    with torch.inference_mode():
        return torch.cat([model(normalise(part, device, torch.float32)).cpu() for part in pixels.split(32)])


def time_it(run, device, seconds):
    """Seconds a call."""
    def wait():
        if device == "cuda":
            torch.cuda.synchronize()
    for _ in range(3):
        run()
    wait()
    count, spent = 2, 0
    while True:
        start = time.perf_counter()
        for _ in range(count):
            run()
        wait()
        spent = time.perf_counter() - start
        if spent > seconds or count > 1 << 20:
            return spent / count
        count *= 2


def as_graph(run):
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def torch_ways(args, model, batch, device):
    """(name, what to run) for each way in which PyTorch can do it: the data on the device, but for "upload"."""
    dtype = torch.float16 if device == "cuda" else torch.float32
    half = copy.deepcopy(model).to(device=device, dtype=dtype, memory_format=torch.channels_last)
    pixels = torch.randint(0, 256, (batch, args.side, args.side, 3), dtype=torch.uint8)
    x = normalise(pixels, device, dtype)
    yield "eager", lambda: half(x)
    if device != "cuda":
        return
    yield "graphs", as_graph(lambda: half(x))
    pinned = pixels.pin_memory()
    yield "upload", lambda: torch.softmax(half(normalise(pinned, device, dtype)).float(), 1).topk(5)[1].cpu()


def torch_rates(args, report, model, batch, device):
    """Images/s; a way that fails is a gap in the table, not the end of it."""
    rates = {}
    try:
        with torch.inference_mode():
            for name, run in torch_ways(args, model, batch, device):
                rates[name] = batch / time_it(run, device, args.seconds)
    except Exception as problem:
        report.note(f"PyTorch, batch {batch}: {str(problem).splitlines()[0]}")
    if device == "cuda":
        torch.cuda.empty_cache()  # the engine wants it next
    return rates


def roofline(device):
    """Bytes/s of a copy, counting read and written, and FLOP/s of a product in f16, on random data."""
    if device != "cuda":
        return None
    source = torch.empty(1 << 30, dtype=torch.float32, device=device).uniform_()
    target = torch.empty_like(source)
    moved = 8 * source.numel() / time_it(lambda: target.copy_(source), device, 0.5)
    del source, target
    a, b = (torch.randn(8192, 8192, device=device, dtype=torch.float16) for _ in range(2))
    return moved, 2 * 8192 ** 3 / time_it(lambda: a @ b, device, 0.5)


# ---- the parts of the report ---------------------------------------------------------------------------------------------


def report_check(args, report, model, flat, pixels, device):
    report.line("\n## Correctness\n\nEngine against PyTorch in f32 (TF32 off) on the same pixels; the normalised error is |a - b| / |b| of all logits. "
                "int8 has the ranges of these pixels.")
    report.table(["precision", "batch", "normalised error", "top-1 agreement", "verdict", "two runs"])
    expected = torch_logits(model, pixels, device)
    for precision in args.precisions:
        for batch in [2, 4] if args.fake else args.check_batches:
            got, data = engine_logits(args, flat, precision, batch, pixels)
            if got is None:
                report.row(precision, batch, data.replace("|", "/"), "", report.verdict("cannot compute in bf16" in data), "")
                continue
            error = ((got - expected).norm() / expected.norm()).item()
            agree = (got.argmax(1) == expected.argmax(1)).sum().item()
            again = engine_logits(args, flat, precision, batch, pixels)[1]
            good = error <= {"f32": 1e-4, "f16": 1e-2, "bf16": 6e-2, "int8": 2.5e-1}[precision]
            report.row(precision, batch, f"{error:.2e}", f"{agree} of {len(got)}", report.verdict(good),
                       "same bytes" if again == data else report.verdict(False))


def report_sanitizer(args, report, flat, pixels):
    side = min(args.side, SANITIZER_SIDE)
    source, target = os.path.join(args.work, "pixels.u8"), os.path.join(args.work, "logits.f32")
    with open(source, "wb") as file:
        file.write(as_bytes(pixels[:3, :side, :side]))

    def run(wrap):
        code, output, error = bench(args, "logits", *flat, args.network, str(side), "f16", "2", source, "3", target, wrap=wrap, plans=False)
        return code, output + "\n" + error
    sanitizer.write(report, run, f"{args.network}, f16, batches of 2 images of {side}x{side}", args.sanitizer_seconds, ROOT, args.work)


def report_speed(args, report, model, flat, device):
    report.line("\n## Images a second\n\n\"device\": the pixels are there already. \"upload\": bytes from pinned memory to the five most probable classes; PyTorch "
                "does that on one stream. PyTorch runs channels_last in f16. \"tune\": the first open, which looks for plans that are not known yet; \"open\": the next one.")
    theirs = ["eager", "graphs", "upload"] if "torch" in args.parts else []
    others = [p for p in ("bf16", "int8") if p in args.precisions]
    report.table(["batch", "f16 device", "f16 upload", *(f"{p} device" for p in others), "tune s", "open s",
                  *(f"PyTorch {name}" for name in theirs), "device / best PyTorch"])
    if device == "cuda":
        torch.cuda.empty_cache()
    uploads = {}
    for batch in args.batches:
        ours = {}
        for precision in ["f16", *others]:
            code, output, error = bench(args, "speed", *setting(args, flat, precision, batch), str(args.seconds))
            ours[precision] = words(output)
            if code:
                report.note(f"engine, batch {batch}, {precision}: {error}")
        if "upload" in ours["f16"]:
            uploads[batch] = float(ours["f16"]["upload"].split()[0])
        rates = torch_rates(args, report, model, batch, device) if theirs else {}
        device_rate = float(ours["f16"].get("device", "nan").split()[0])
        best = max((rates[k] for k in rates if k != "upload"), default=float("nan"))
        cells = [batch, f"{device_rate:.0f}", ours["f16"].get("upload", "-").split(".")[0]]
        cells += [ours[p].get("device", "-").split()[0] for p in others]
        report.row(*cells, ours["f16"].get("tune", "-"), ours["f16"].get("open", "-"), *(f"{rates[k]:.0f}" if k in rates else "-" for k in theirs),
                   f"{device_rate / best:.2f}")
    report.tell_notes()
    return uploads


def compiled_rate(args, model, batch, device):
    half = copy.deepcopy(model).to(device=device, dtype=torch.float16, memory_format=torch.channels_last)
    compiled = torch.compile(half, mode="max-autotune")
    x = normalise(torch.randint(0, 256, (batch, args.side, args.side, 3), dtype=torch.uint8), device, torch.float16)
    with torch.inference_mode():
        return batch / time_it(lambda: compiled(x), device, args.seconds)


def report_compile(args, report, model, flat, device):
    """The last part: compiling takes minutes, and may be ended."""
    report.line("\n## Beside torch.compile(mode=\"max-autotune\")\n")
    if device != "cuda":
        report.line("Skipped: only on a GPU.")
        return
    report.table(["batch", "f16 device", "PyTorch compiled", "ratio", "s to compile and measure"])
    for batch in args.compile_batches:
        code, output, error = bench(args, "speed", *setting(args, flat, "f16", batch), str(args.seconds))
        ours, start = float(words(output).get("device", "nan").split()[0]), time.perf_counter()
        try:
            theirs = compiled_rate(args, model, batch, device)
        except Exception as problem:
            report.note(f"PyTorch, batch {batch}: {str(problem).splitlines()[0]}")
            theirs = float("nan")
        report.row(batch, f"{ours:.0f}", f"{theirs:.0f}", f"{ours / theirs:.2f}", f"{time.perf_counter() - start:.0f}")
        torch.cuda.empty_cache()
    report.tell_notes()


def report_layers(args, report, flat, limits):
    batch = 2 if args.fake else 256
    report.line(f"\n## Where the time goes: f16, batch {batch}\n")
    code, output, error = bench(args, "layers", *setting(args, flat, "f16", batch))
    if code:
        report.line(f"{report.verdict(False)}: {error}")
        return
    if limits:
        report.line(f"Limits measured here: a copy moves {limits[0] / 1e12:.2f} TB/s, an f16 product runs at {limits[1] / 1e12:.0f} TFLOP/s. "
                    "The limit of a layer is the larger of its two times; the fraction is limit / time.")
    report.table(["layer", "shape", "ms", "share", "GB/s", "TFLOP/s", "fraction of the limit"])
    rows = [line.split(" ", 5)[1:] for line in output.splitlines() if line.startswith("layer ")]
    whole, bound = sum(float(row[1]) for row in rows) or float("nan"), 0
    for name, ms, flop, size, shape in rows:
        seconds, flop, size = float(ms) / 1e3 or float("nan"), float(flop), float(size)
        least = max(size / limits[0], flop / limits[1]) if limits else float("nan")
        bound += least
        report.row(name, shape, ms, f"{100 * float(ms) / whole:.1f} %", f"{size / seconds / 1e9:.0f}", f"{flop / seconds / 1e12:.1f}",
                   f"{least / seconds:.2f}")
    report.line(f"\nAll layers, one after another: {whole:.3f} ms, {1e3 * batch / whole:.0f} images/s; the sum of the limits: "
                f"{1e3 * bound:.3f} ms, {batch / bound if bound else float('nan'):.0f} images/s.")


def upload_rate(args, flat, uploads):
    """Images/s of the engine alone at the batch of the whole jobs, from pinned memory; measured now if it was not before."""
    if args.end_batch not in uploads:
        code, output, error = bench(args, "speed", *setting(args, flat, "f16", args.end_batch), str(args.seconds))
        uploads[args.end_batch] = float(words(output).get("upload", "nan").split()[0])
    return uploads[args.end_batch]


def command_line():
    """As it was given to tests/gpu/run, without what that adds; of absolute paths only the last part."""
    given, skip = [], False
    for word in sys.argv[1:]:
        hidden = word in ("--bench", "--device", "--work", "--here")
        if not skip and not hidden:
            given.append(os.path.basename(word.rstrip("/")) if os.path.isabs(word) else word)
        skip = hidden
    return shlex.join(["tests/gpu/run", *given])


def report_head(args, report, weights, origin, device):
    report.line(f"# cuDNN engine: {args.network}, {args.side}x{args.side}\n")
    report.line(f"- {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC: `{command_line()}`")
    report.line(f"- {args.device}")
    for text in machine.describe():
        report.line(f"- {text}")
    report.line(f"- PyTorch {torch.__version__}, on {torch.cuda.get_device_name() if device == 'cuda' else 'the CPU'}")
    report.line(f"- weights: {weights}; pixels: {origin}")
    if args.fake:
        report.line("- **a GPU that is not one: this tries the scripts, its times mean nothing**")


def main():
    args = arguments()
    os.makedirs(args.work, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() and not args.fake else "cpu"
    report, uploads = Report(args.out), {}
    model, weights = make_model(args)
    pixels, origin = make_pixels(args)
    flat = write_flat(model, args)
    report_head(args, report, weights, origin, device)
    model = model.to(device)
    if "int8" in args.precisions:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        write_ranges(model, pixels, args, device)
    if "check" in args.parts:
        report_check(args, report, model, flat, pixels, device)
    if "sanitizer" in args.parts:
        report_sanitizer(args, report, flat, pixels)
    if "layers" in args.parts:
        report_layers(args, report, flat, roofline(device))
    if "speed" in args.parts:
        with machine.Clocks() as clocks:
            uploads = report_speed(args, report, model, flat, device)
        report.line(f"\n{clocks.describe()}")
    if "end" in args.parts:
        if device == "cuda":
            torch.cuda.empty_cache()
        endtoend.write(args, report, lambda: (weights_file(args, model), len(model.state_dict()["fc.bias"])), lambda: upload_rate(args, flat, uploads))
    if "compile" in args.parts and args.compile_batches:
        report_compile(args, report, model, flat, device)
    report.line(f"\n{'Everything that was checked is right.' if not report.failed else f'{report.failed} checks are WRONG.'}")
    print(f"the report is in {args.out}", file=sys.stderr)
    return report.failed > 0


sys.exit(main())
