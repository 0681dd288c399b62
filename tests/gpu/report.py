"""report.py: is the cuDNN engine right, and how fast is it beside PyTorch on the same card? One markdown report. Started by tests/gpu/run."""
import argparse
import copy
import ctypes
import glob
import gzip
import json
import os
import shutil
import subprocess
import sys
import time

import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from resnet import NETWORKS, ResNet, randomise, ranges  # noqa: E402

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}


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
    parser.add_argument("--parts", default="check,sanitizer,speed,torch,layers", help="of these")
    args = parser.parse_args()
    args.out = os.path.join(args.here, args.out)
    args.data = args.data and os.path.join(args.here, args.data)
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


# ---- weights and pixels --------------------------------------------------------------------------------------------------


def read(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        return file.read()


def read_safetensors(data):
    size = int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if name != "__metadata__":
            begin, end = (8 + size + offset for offset in entry["data_offsets"])
            values = torch.frombuffer(bytearray(data[begin:end]), dtype=TYPES[entry["dtype"]]).reshape(entry["shape"])
            tensors[name] = values.float() if values.is_floating_point() else values
    return tensors


def find(args, pattern):
    found = sorted(glob.glob(os.path.join(args.data, pattern))) if args.data else []
    return found[0] if found else None


def make_model(args):
    path = find(args, args.network + "*.safetensors") or find(args, args.network + "*.safetensors.gz")
    if not path:
        return randomise(ResNet(args.network, 10 if args.fake else 1000)).eval(), "random"
    tensors = read_safetensors(read(path))
    model = ResNet(args.network, len(tensors["fc.bias"]))
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing), (missing, unexpected)
    return model.eval(), os.path.basename(path)


def make_pixels(args):
    path = find(args, "photos.u8") or find(args, "photos.u8.gz")
    if path:
        pixels = torch.frombuffer(bytearray(read(path)), dtype=torch.uint8).reshape(-1, args.side, args.side, 3)
        return pixels, f"{len(pixels)} photos"
    generator = torch.Generator().manual_seed(1)
    count = 5 if args.fake else 64
    coarse = torch.rand((count, 3, 7, 7), generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (args.side, args.side), mode="bicubic", align_corners=False)
    noise = smooth + 0.1 * torch.rand(smooth.shape, generator=generator)
    return (255 * noise.clamp(0, 1)).byte().permute(0, 2, 3, 1).contiguous(), f"{count} images of noise (top-1 agreement means little)"


def as_bytes(tensor):
    """Without numpy, which PyTorch does not bring along."""
    tensor = tensor.contiguous().cpu()
    return ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size())


def write_flat(model, args):
    """What tests/gpu/flat.c reads."""
    index, numbers, offset = os.path.join(args.work, "weights.index"), os.path.join(args.work, "weights.f32"), 0
    with open(index, "w") as names, open(numbers, "wb") as file:
        for name, tensor in model.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                names.write(f"{name} {tensor.dim()} {' '.join(str(n) for n in tensor.shape)} {offset}\n")
                data = as_bytes(tensor)
                file.write(data)
                offset += len(data)
    return [index, numbers]


def write_ranges(model, pixels, args, device):
    """What tests/gpu/flat.c reads: the activation ranges of these pixels, for int8."""
    found = {}
    with torch.inference_mode():
        for part in pixels.split(32):
            for name, (low, high) in ranges(model, normalise(part, device, torch.float32)).items():
                before = found.get(name, (0, 0))
                found[name] = (min(low, before[0]), max(high, before[1]))
    with open(os.path.join(args.work, "ranges"), "w") as file:
        file.writelines(f"{name} {low:.9g} {high:.9g}\n" for name, (low, high) in found.items())


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


def normalise(pixels, device, dtype):
    x = pixels.to(device).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(v, device=device).reshape(1, 3, 1, 1) for v in (MEAN, STD))
    return ((x - mean) / std).to(dtype).to(memory_format=torch.channels_last)


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
    if batch in args.compile_batches:
        compiled = torch.compile(half, mode="max-autotune")
        yield "compile", lambda: compiled(x)


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
    tool = shutil.which("compute-sanitizer")
    report.line("\n## compute-sanitizer\n")
    if not tool:
        report.line("Not on this machine.")
        return
    report.line("Only memcheck counts: the others look into kernels that are not ours as well.\n")
    for kind in ("memcheck", "racecheck", "initcheck", "synccheck"):
        got, data = engine_logits(args, flat, "f16", 2, pixels[:3], wrap=(tool, "--tool", kind, "--error-exitcode", "9"), plans=False)
        last = "no errors" if got is not None else (str(data).strip().splitlines() or ["?"])[-1]
        report.line(f"- {kind}: {report.verdict(got is not None) if kind == 'memcheck' else 'seen'}: {last}")


def report_speed(args, report, model, flat, device):
    report.line("\n## Images a second\n\n\"device\": the pixels are there already. \"upload\": bytes from pinned memory to the five most probable classes; PyTorch "
                "does that on one stream. PyTorch runs channels_last in f16. \"tune\": the first open, which looks for plans that are not known yet; \"open\": the next one.")
    theirs = ["eager", "graphs", "compile", "upload"] if "torch" in args.parts else []
    others = [p for p in ("bf16", "int8") if p in args.precisions]
    report.table(["batch", "f16 device", "f16 upload", *(f"{p} device" for p in others), "tune s", "open s",
                  *(f"PyTorch {name}" for name in theirs), "device / best PyTorch"])
    if device == "cuda":
        torch.cuda.empty_cache()
    for batch in args.batches:
        ours = {}
        for precision in ["f16", *others]:
            code, output, error = bench(args, "speed", *setting(args, flat, precision, batch), str(args.seconds))
            ours[precision] = words(output)
            if code:
                report.note(f"engine, batch {batch}, {precision}: {error}")
        rates = torch_rates(args, report, model, batch, device) if theirs else {}
        device_rate = float(ours["f16"].get("device", "nan").split()[0])
        best = max((rates[k] for k in rates if k != "upload"), default=float("nan"))
        cells = [batch, f"{device_rate:.0f}", ours["f16"].get("upload", "-").split(".")[0]]
        cells += [ours[p].get("device", "-").split()[0] for p in others]
        report.row(*cells, ours["f16"].get("tune", "-"), ours["f16"].get("open", "-"), *(f"{rates[k]:.0f}" if k in rates else "-" for k in theirs),
                   f"{device_rate / best:.2f}")
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


def main():
    args = arguments()
    os.makedirs(args.work, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() and not args.fake else "cpu"
    report = Report(args.out)
    model, weights = make_model(args)
    pixels, origin = make_pixels(args)
    flat = write_flat(model, args)
    report.line(f"# cuDNN engine: {args.network}, {args.side}x{args.side}\n")
    report.line(f"- {args.device}")
    report.line(f"- PyTorch {torch.__version__}, on {torch.cuda.get_device_name() if device == 'cuda' else 'the CPU'}")
    report.line(f"- weights: {weights}; pixels: {origin}")
    if args.fake:
        report.line("- **a GPU that is not one: this tries the scripts, its times mean nothing**")
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
        report_speed(args, report, model, flat, device)
    report.line(f"\n{'Everything that was checked is right.' if not report.failed else f'{report.failed} checks are WRONG.'}")
    print(f"the report is in {args.out}", file=sys.stderr)
    return report.failed > 0


sys.exit(main())
