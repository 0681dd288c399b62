"""inputs.py: weights and pixels, those of a folder or random ones, and the forms in which the engine's programs read them."""
import ctypes
import glob
import gzip
import json
import os

import torch

from resnet import ResNet, randomise, ranges

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}


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


def weights_path(args):
    return find(args, args.network + "*.safetensors") or find(args, args.network + "*.safetensors.gz")


def weights_file(args, model):
    """For programs that do not decompress."""
    path, plain = weights_path(args), os.path.join(args.work, "model.safetensors")
    if path and not path.endswith(".gz"):
        return os.path.abspath(path)
    if path:
        with open(plain, "wb") as file:
            file.write(read(path))
    else:
        write_safetensors(model, plain)
    return os.path.abspath(plain)


def make_model(args):
    path = weights_path(args)
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


def write_safetensors(model, path):
    tensors = {name: tensor.float() for name, tensor in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    head, offset = {}, 0
    for name, tensor in tensors.items():
        head[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + 4 * tensor.numel()]}
        offset += 4 * tensor.numel()
    text = json.dumps(head).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.writelines(as_bytes(tensor) for tensor in tensors.values())


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


def normalise(pixels, device, dtype):
    x = pixels.to(device).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(v, device=device).reshape(1, 3, 1, 1) for v in (MEAN, STD))
    return ((x - mean) / std).to(dtype).to(memory_format=torch.channels_last)


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
