"""classify.py NETWORK WEIGHTS PRESET FOLDER OUT: PyTorch's top five for every .jpg and .JPEG below FOLDER.

WEIGHTS is a safetensors file of f32 tensors with torchvision's names. PRESET is torchvision or article. OUT gets one object a line:
{"file": path below FOLDER, "top5": [[index, probability], ...]}.
Exit status 77: PyTorch, torchvision or Pillow is not installed.
"""
import json
import os
import sys

try:
    import numpy
    import torch
    import torchvision
    from PIL import Image
    from torchvision import transforms
except ImportError as missing:
    print(missing)
    sys.exit(77)


def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    size = int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        values = numpy.frombuffer(data[begin:end], "<f4").reshape(entry["shape"])
        tensors[name] = torch.from_numpy(values.copy())
    return tensors


def read_model(network, path):
    tensors = read_safetensors(path)
    model = getattr(torchvision.models, network)(num_classes=len(tensors["fc.bias"]))
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing)
    return model.eval()


def steps(preset):
    if preset == "article":
        return [transforms.Resize(256), transforms.CenterCrop(250), transforms.ToTensor()]
    return [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]


def files_below(folder):
    found = [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names]
    return sorted(os.path.relpath(path, folder) for path in found if path.endswith((".jpg", ".JPEG")))


def main(network, weights, preset, folder, out):
    model, prepare = read_model(network, weights), transforms.Compose(steps(preset))
    files = files_below(folder)
    with torch.inference_mode(), open(out, "w", encoding="utf-8") as file:
        for at in range(0, len(files), 16):
            images = [Image.open(os.path.join(folder, name)).convert("RGB") for name in files[at:at + 16]]
            probabilities = model(torch.stack([prepare(image) for image in images])).softmax(1)
            values, indices = probabilities.topk(5)
            for name, row, of in zip(files[at:at + 16], indices.tolist(), values.tolist()):
                file.write(json.dumps({"file": name, "top5": list(zip(row, of))}) + "\n")


main(*sys.argv[1:])
