#!/usr/bin/python3
"""verify.py: prints worker/verify.def: what Pillow, torchvision and PyTorch say of the built-in images and the seeded ResNet-18.
verify.py FILE: judges such a file: computes everything again from its images and fails when a number is not PyTorch's."""
import hashlib
import io
import re
import sys

import numpy as np
import torch
import torchvision
from PIL import Image

SIZES = ((256, 224), (12, 10))
CLASSES = 10
SHOWN = 16
POINTS = (("maxpool", "maxpool"), ("layer1", "layer1.1.conv2"), ("layer2", "layer2.1.conv2"), ("layer3", "layer3.1.conv2"),
          ("layer4", "layer4.1.conv2"))


def noise(name, count):
    seed = 0xcbf29ce484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001b3 % 2**64
    x = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9e3779b97f4a7c15)
    for shift, factor in ((30, 0xbf58476d1ce4e5b9), (27, 0x94d049bb133111eb)):
        x = (x ^ x >> np.uint64(shift)) * np.uint64(factor)
    return x ^ x >> np.uint64(31)


def tensor(name, shape, low, high):
    unit = (noise(name, int(np.prod(shape))) >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)
    low, high = np.float32(low), np.float32(high)
    return torch.from_numpy((low + (high - low) * unit).reshape(tuple(shape)))


def bounds(name, shape):
    if name.endswith("running_var"):
        return 0.5, 2
    if len(shape) == 4:
        half = re.search(r"layer\d\.\d\.conv2", name) is not None
        bound = np.sqrt(np.float32(6) / np.float32(np.prod(shape[1:]))) * np.float32(0.5 if half else 1)
        return -bound, bound
    if name.startswith("fc."):
        bound = np.float32(1) / np.sqrt(np.float32(512))
        return -bound, bound
    return (0.5, 1.5) if name.endswith(".weight") else (-0.5, 0.5)


def make_model():
    model = torchvision.models.resnet18(num_classes=CLASSES)
    state = {name: tensor(name, value.shape, *bounds(name, value.shape))
             for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    model.load_state_dict(state, strict=False)
    return model.eval()


def layers():
    """(name in the layer table, numbers): pooled channels, and the logits."""
    model, found = make_model(), []
    for module, name in POINTS:
        def keep(_module, _arguments, output, name=name):
            pooled = output.mean((2, 3)).flatten()
            found.append((name, pooled[:: len(pooled) // SHOWN]))
        getattr(model, module).register_forward_hook(keep)
    with torch.inference_mode():
        found.append(("fc", model(image()).flatten()))
    return found


def image():
    pixels = (noise("image", 224 * 224 * 3) >> np.uint64(56)).astype(np.uint8).reshape(224, 224, 3)
    x = torchvision.transforms.functional.to_tensor(pixels)
    return torchvision.transforms.functional.normalize(x, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))[None]


def extents():
    """{name in the layer table of a convolution: (lowest, highest) that it leaves behind}: what int8 needs to know."""
    model, found = make_model(), {}

    def keep(name, output):
        found[name] = (min(output.min().item(), 0), output.max().item())

    def hook(module, names):
        def take(_module, _arguments, output):
            keep(names[0] if len(names) == 1 else names.pop(0), output)
        module.register_forward_hook(take)

    hook(model.relu, ["conv1"])
    for name, module in model.named_modules():
        if isinstance(module, torchvision.models.resnet.BasicBlock):
            hook(module.relu, [f"{name}.conv1", f"{name}.conv2"])
            if module.downsample is not None:
                hook(module.downsample, [f"{name}.downsample.0"])
    with torch.inference_mode():
        model(image())
    return found


def pixels(jpeg, resize, crop):
    image = Image.open(io.BytesIO(jpeg)).convert("RGB")
    image = torchvision.transforms.functional.center_crop(torchvision.transforms.functional.resize(image, resize), crop)
    return hashlib.sha256(image.tobytes()).hexdigest()


def draw(mode, width, height):
    y, x = np.mgrid[:height, :width]
    waves = [128 + 90 * np.sin(x / (2.5 + c) + c) * np.cos(y / (3.5 - c / 2)) + 30 * ((x // 5 + y // 7) % 2) for c in range(len(mode))]
    array = np.clip(np.stack(waves, -1), 0, 255).astype(np.uint8)
    return Image.fromarray(array[..., 0] if mode == "L" else array, mode)


def images():
    for name, mode, size, options in (("colour", "RGB", (40, 30), {"subsampling": 2}), ("progressive", "RGB", (23, 33), {"progressive": True}),
                                      ("grey", "L", (31, 20), {}), ("ink", "CMYK", (20, 24), {})):
        file = io.BytesIO()
        draw(mode, *size).save(file, "JPEG", quality=60, optimize=True, **options)
        yield name, file.getvalue()


def write():
    print("/* verify.def: what the answers must be, made by tests/golden/verify.py with Pillow, torchvision and PyTorch, and judged by a test.\n"
          " *\n"
          " *   JPEG(name, bytes...)                          a file\n"
          " *   PIXELS(name, resize, crop, sha256)            of its (crop, crop, 3) pixels\n"
          " *   LAYER(name, numbers...)                       of the seeded ResNet-18: pooled channels, every n-th; of fc, all logits\n"
          " *   RANGE(name, low, high)                        between which numbers that layer leaves behind, for int8 */")
    for name, jpeg in images():
        print(f"\nJPEG({name},")
        for at in range(0, len(jpeg), 32):
            end = ")" if at + 32 >= len(jpeg) else ","
            print("     " + ", ".join(str(byte) for byte in jpeg[at:at + 32]) + end)
        for resize, crop in SIZES:
            print(f'PIXELS({name}, {resize}, {crop}, "{pixels(jpeg, resize, crop)}")')
    print()
    for name, values in layers():
        numbers = [f"{value:.9g}f" if "." in f"{value:.9g}" else f"{value:.9g}.0f" for value in values.tolist()]
        lines = [", ".join(numbers[at:at + 8]) for at in range(0, len(numbers), 8)]
        print(f'LAYER("{name}",\n      ' + ",\n      ".join(lines) + ")")
    print()
    for name, (low, high) in extents().items():
        print(f'RANGE("{name}", {low:.6f}f, {high:.6f}f)')


def judge(path):
    text = open(path).read().split("*/", 1)[1]
    jpegs = {name: bytes(int(byte) for byte in content.split(",")) for name, content in re.findall(r"JPEG\((\w+),([\d,\s]+)\)", text)}
    hashes = re.findall(r'PIXELS\((\w+), (\d+), (\d+), "(\w+)"\)', text)
    assert len(jpegs) >= 4 and len(hashes) == len(jpegs) * len(SIZES), "images are missing"
    for name, resize, crop, digest in hashes:
        assert pixels(jpegs[name], int(resize), int(crop)) == digest, f"pixels of {name} at {resize}"
    committed = {name: np.array([float(number.strip().rstrip("f")) for number in numbers.split(",")])
                 for name, numbers in re.findall(r'LAYER\("([\w.]+)",([^)]*)\)', text)}
    expected = layers()
    assert set(committed) == {name for name, _ in expected}, "layers are missing"
    for name, values in expected:
        error = np.linalg.norm(committed[name] - values.numpy()) / np.linalg.norm(values.numpy())
        assert error < 2e-6, f"{name}: normalised error {error}"
    ranges = {name: (float(low), float(high)) for name, low, high in re.findall(r'RANGE\("([\w.]+)", ([-\d.]+)f, ([-\d.]+)f\)', text)}
    widest = extents()
    assert set(ranges) == set(widest), "ranges are missing"
    for name, pair in widest.items():
        assert np.allclose(ranges[name], pair, rtol=1e-4, atol=1e-4), f"{name}: its range is {pair}"
    print(f"{len(hashes)} hashes and {len(committed)} layers and {len(ranges)} ranges are PyTorch's")


torch.set_num_threads(1)
if len(sys.argv) > 1:
    judge(sys.argv[1])
else:
    write()
