#!/usr/bin/python3
"""pth_files.py: writes files as PyTorch writes them, into the current folder, for test_pth.c.

good-NAME-FORM.pth has beside it good-NAME-FORM.safetensors with the tensors that must be found; bad-NAME.pth must be refused."""
import argparse
import collections
import copy
import json
import os
import pickle
import struct
import tarfile
import zipfile

import numpy as np
import torch
import torchvision

NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64", torch.int64: "I64"}


def raw(tensor):
    tensor = tensor.detach().contiguous()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.int16)
    return tensor.numpy().tobytes()


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, tensor in tensors.items():
        content = raw(tensor)
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)


def good(name, value, tensors):
    for form in ("zip", "legacy"):
        torch.save(value, f"good-{name}-{form}.pth", _use_new_zipfile_serialization=form == "zip")
        write_safetensors(f"good-{name}-{form}.safetensors", tensors)


def bad(name, value, **options):
    torch.save(value, f"bad-{name}.pth", **options)


def write_good():
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(2, 5))
    state = model.state_dict()
    good("plain", state, state)
    good("parameters", dict(model.named_parameters()), dict(model.named_parameters()))
    types = {str(t): torch.linspace(-3, 3, 7).to(t) for t in NAMES}
    good("types", types, types)
    base = torch.arange(24.0)
    views = {"base": base, "part": base[3:9], "rows": base.view(4, 6)[1:3], "same": base, "scalar": base[5],
             "empty": base[:0], "turned_twice": base.view(4, 6).t().t(), "one": torch.ones(4, 2, 1, 1).to(memory_format=torch.channels_last)}
    good("views", views, views)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model[2](torch.ones(1, 2)).sum().backward()
    optimizer.step()
    state = model.state_dict()
    training = {"epoch": 3, "large": 1 << 40, "below": -5, "best": 1.5, "none": None, "yes": True, "no": False, "names": ["a", "b"],
                "pair": (1, 2, 3), "optimizer": optimizer.state_dict(), "turned": base.view(4, 6).t()}
    good("state_dict", {**training, "state_dict": state}, state)
    good("model_state_dict", {**training, "model_state_dict": state}, state)
    good("model", {**training, "model": state}, state)
    good("parallel", torch.nn.DataParallel(model).state_dict(), state)


def legacy(path, content, keys, data):
    """The frame of the old form around a hand-made pickle."""
    with open(path, "wb") as file:
        for value in (0x1950a86a20f9469cfc6c, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}):
            pickle.dump(value, file, protocol=2)
        file.write(content)
        pickle.dump(keys, file, protocol=2)
        file.write(data)


def storage(key, count, view=b"N", kind=b"Float"):
    text = lambda s: b"U" + bytes([len(s)]) + s
    return b"(" + text(b"storage") + b"ctorch\n" + kind + b"Storage\n" + text(key) + text(b"cpu") + b"\x8a\x01" + bytes([count]) + view + b"tQ"


def write_old():
    """Python 2 and PyTorch 0.1: short strings, an OrderedDict of a list of pairs, _rebuild_tensor, Parameter with a state."""
    tensor = b"ctorch._utils\n_rebuild_tensor\n(" + storage(b"k", 6) + b"K\x00(K\x02K\x03t(K\x03K\x01ttR"
    parameter = b"ctorch.nn.parameter\nParameter\n" + tensor + b"\x85R(\x88\x89ccollections\nOrderedDict\n)Rtb"
    pairs = b"](](U\x01aq\x00" + tensor + b"e(U\x01b" + parameter + b"te"
    values = np.arange(6, dtype=np.float32)
    legacy("good-old-legacy.pth", b"\x80\x02ccollections\nOrderedDict\n" + pairs + b"\x85R.", ["k"],
           struct.pack("<q", 6) + values.tobytes())
    same = torch.from_numpy(values).view(2, 3)
    write_safetensors("good-old-legacy.safetensors", {"a": same, "b": same})
    one_of = lambda storage, offset: b"ctorch._utils\n_rebuild_tensor\n(" + storage + b"K" + bytes([offset]) + b"(K\x01t(K\x01ttR"
    both = lambda a, b: b"\x80\x02}(U\x01a" + one_of(storage(b"k", 6), a) + b"U\x01b" + b + b"u."
    numbers = struct.pack("<q", 6) + values.tobytes()
    legacy("bad-beyond.pth", both(7, one_of(storage(b"k", 6), 0)), ["k"], numbers)
    legacy("bad-twice.pth", both(0, one_of(storage(b"k", 6), 0)), ["k", "k"], 2 * numbers)
    legacy("bad-counts.pth", both(0, one_of(storage(b"k", 7), 0)), ["k"], numbers)
    legacy("bad-kinds.pth", both(0, one_of(storage(b"k", 6, kind=b"Half"), 0)), ["k"], numbers)
    legacy("bad-absent.pth", both(0, one_of(storage(b"m", 6), 0)), ["k"], numbers)
    legacy("bad-view.pth", b"\x80\x02" + storage(b"k", 6, b"(U\x01vK\x00K\x06t") + b".", ["k"], b"")


class Evil:
    def __reduce__(self):
        return os.system, ("touch it-ran",)


def write_bad():
    tensor = torch.arange(6.0).view(2, 3)
    bad("turned", {"t": tensor.t()})
    bad("repeated", {"t": torch.ones(1).expand(4)})
    bad("evil", Evil())
    bad("evil-legacy", {"a": tensor, "b": Evil()}, _use_new_zipfile_serialization=False)
    bad("whole", torch.nn.Linear(2, 2))
    bad("whole-legacy", torchvision.models.resnet18(), _use_new_zipfile_serialization=False)
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), "bad-script.pth")
    bad("list", [tensor])
    bad("tensor", tensor)
    bad("mixed", {"a": tensor, "epoch": 3})
    bad("number", {7: tensor})
    bad("int", {"a": tensor.int()})
    bad("arguments", {"model": {"a": tensor}, "args": argparse.Namespace(lr=0.1)})
    bad("protocol", {"a": tensor}, pickle_protocol=4)
    bad("protocol-legacy", {"a": tensor}, pickle_protocol=4, _use_new_zipfile_serialization=False)
    bad("long-name", {"a" * 1024: tensor})
    bad("notes", {"state_dict": {"a": tensor}, "notes": "x" * 5000})
    bad("seed", {"state_dict": {"a": tensor}, "seed": 1 << 80})
    bad("history", {"state_dict": {"a": tensor}, "history": [[i] for i in range(70000)]})
    with tarfile.open("bad-tar.pth", "w") as tar:
        tar.add("bad-list.pth")
    pickle.dump({"a": 1}, open("bad-pickle.pth", "wb"), protocol=2)
    content = {name: zipfile.ZipFile("bad-list.pth").read("bad-list/" + name) for name in ("data.pkl", "data/0")}
    rezip("bad-compressed.pth", content, zipfile.ZIP_DEFLATED)
    rezip("bad-order.pth", {**content, "byteorder": b"big"})
    rezip("bad-missing.pth", {"data.pkl": content["data.pkl"]})
    rezip("bad-short.pth", {**content, "data/0": content["data/0"][:-4]})
    rezip("bad-no-pickle.pth", {"data/0": content["data/0"]})
    with zipfile.ZipFile("bad-overlap.pth", "w") as archive:
        archive.writestr("p/data.pkl", content["data.pkl"])
        archive.writestr("p/data/0", bytes(5000))
        for i in range(1, 4):
            again = copy.copy(archive.getinfo("p/data/0"))
            again.filename = f"p/data/{i}"
            archive.filelist.append(again)
    with zipfile.ZipFile("bad-photo.pth", "w") as archive:
        archive.writestr("photo", b"1234")


def rezip(path, content, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in content.items():
            archive.writestr("p/" + name, data)


write_good()
write_old()
write_bad()
