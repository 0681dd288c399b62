#!/usr/bin/python3
"""engine_torch.py NETWORK WEIGHTS PIXELS SIZE OUT: PyTorch's answer to the engine tests.

WEIGHTS is a safetensors file with torchvision's names; PIXELS holds (n, SIZE, SIZE, 3) u8. Writes the pooled features (n, F), then
the logits (n, classes), f32, to OUT. Pixels are divided by 255 and normalised with ImageNet's mean and std."""
import json
import sys

import numpy as np
import torch
import torchvision

TYPES = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}


def read_safetensors(path):
    data = open(path, "rb").read()
    size = int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        values = np.frombuffer(data[begin:end], TYPES[entry["dtype"]])
        if entry["dtype"] == "BF16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        tensors[name] = torch.from_numpy(values.astype(np.float32).reshape(entry["shape"]))
    return tensors


def main(network, weights, pixels, size, out):
    torch.set_num_threads(1)
    tensors = read_safetensors(weights)
    model = getattr(torchvision.models, network)(num_classes=len(tensors["fc.bias"]))
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing)
    model.eval()
    images = np.fromfile(pixels, np.uint8).reshape(-1, int(size), int(size), 3)
    x = torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32)) / 255
    x = torchvision.transforms.functional.normalize(x, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    kept = []
    model.avgpool.register_forward_hook(lambda module, args, output: kept.append(output.flatten(1)))
    with torch.inference_mode():
        logits = model(x)
    with open(out, "wb") as file:
        file.write(kept[0].contiguous().numpy().tobytes())
        file.write(logits.contiguous().numpy().tobytes())


main(*sys.argv[1:])
