#!/usr/bin/python3
"""Writes .pth files in the byte format of torch.save (torch/serialization.py), by Python's own pickle and zipfile.

write_torch_files.py FOLDER: one small file per case of torch_archive_test.cpp
write_torch_files.py FILE.safetensors FILE.pth: the tensors of a safetensors file, in order, as a state_dict
"""
import collections
import io
import json
import os
import pickle
import struct
import sys
import types
import zipfile
from pathlib import Path

torch = sys.modules["torch"] = types.ModuleType("torch")
torch._utils = sys.modules["torch._utils"] = types.ModuleType("torch._utils")
FORMATS = {"Float": "f", "Half": "e", "Double": "d", "Long": "q", "BFloat16": "H", "Char": "b"}
for _name in FORMATS:
    setattr(torch, f"{_name}Storage", type(f"{_name}Storage", (), {"__module__": "torch"}))


def _rebuild(*_):
    raise AssertionError("nothing is read here")


for _name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
    _function = types.FunctionType(_rebuild.__code__, globals(), _name)
    _function.__module__, _function.__qualname__ = "torch._utils", _name
    setattr(torch._utils, _name, _function)


class Storage:
    def __init__(self, kind, data, elements):
        self.kind, self.data, self.elements = kind, data, elements


class Tensor:
    def __init__(self, storage, shape, strides=None, offset=0):
        if strides is None:
            strides = [1] * len(shape)
            for i in range(len(shape) - 1, 0, -1):
                strides[i - 1] = strides[i] * shape[i]
        self.arguments = (storage, offset, tuple(shape), tuple(strides), False, collections.OrderedDict())

    def __reduce__(self):
        return torch._utils._rebuild_tensor_v2, self.arguments


class Parameter:
    def __init__(self, tensor):
        self.tensor = tensor

    def __reduce__(self):
        return torch._utils._rebuild_parameter, (self.tensor, True, collections.OrderedDict())


class Command:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def storage(kind, values):
    return Storage(kind, struct.pack(f"<{len(values)}{FORMATS[kind]}", *values), len(values))


def pickled(value, legacy=False):
    storages = []

    class Pickler(pickle.Pickler):
        def persistent_id(self, item):
            if not isinstance(item, Storage):
                return None
            if item not in storages:
                storages.append(item)
            kind = getattr(torch, f"{item.kind}Storage")
            return ("storage", kind, str(storages.index(item)), "cpu", item.elements) + ((None,) if legacy else ())

    out = io.BytesIO()
    Pickler(out, protocol=2).dump(value)
    return out.getvalue(), storages


def write_zip(path, value, byteorder="little", compression=zipfile.ZIP_STORED, more=(), drop=()):
    content, storages = pickled(value)
    folder = Path(path).stem
    records = [("data.pkl", content), ("byteorder", byteorder.encode()), *more,
               *((f"data/{key}", item.data) for key, item in enumerate(storages)), ("version", b"3\n")]
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in records:
            if name not in drop:
                file.writestr(zipfile.ZipInfo(f"{folder}/{name}"), data, compression)


def write_legacy(path, value):
    content, storages = pickled(value, legacy=True)
    with open(path, "wb") as file:
        for part in (0x1950a86a20f9469cfc6c, 1001, {"protocol_version": 1001, "little_endian": True,
                                                    "type_sizes": {"short": 2, "int": 4, "long": 4}}):
            pickle.dump(part, file, protocol=2)
        file.write(content)
        pickle.dump([str(key) for key in range(len(storages))], file, protocol=2)
        for item in storages:
            file.write(struct.pack("<q", item.elements) + item.data)


def small():
    """A whole tensor, a transposed view into a larger storage, a parameter, other types, a scalar; with _metadata."""
    numbers = storage("Float", [float(n) for n in range(12)])
    state = collections.OrderedDict()
    state["whole"] = Tensor(numbers, [3, 4])
    state["transposed"] = Tensor(numbers, [2, 3], [1, 2], 4)
    state["parameter"] = Parameter(Tensor(storage("Float", [1.5, -2.0]), [2]))
    state["half"] = Tensor(storage("Half", [0.5, 1.0]), [2])
    state["double"] = Tensor(storage("Double", [0.1]), [1])
    state["bfloat16"] = Tensor(storage("BFloat16", [0x3F80]), [1])
    state["steps"] = Tensor(storage("Long", [7]), [])
    state._metadata = collections.OrderedDict([("", {"version": 1}), ("bn", {"version": 2})])
    return state


def one(tensor):
    return collections.OrderedDict(a=tensor)


def write_cases(folder):
    pair = storage("Float", [1.0, 2.0])
    write_zip(folder / "good.pth", small())
    write_legacy(folder / "legacy.pth", small())
    write_zip(folder / "dict.pth", {"a": Tensor(pair, [2])})
    write_zip(folder / "code.pth", collections.OrderedDict(a=Command(folder / "executed")))
    write_legacy(folder / "legacy-code.pth", collections.OrderedDict(a=Command(folder / "executed")))
    write_zip(folder / "checkpoint.pth", {"epoch": 3, "state_dict": small()})
    write_zip(folder / "list.pth", [Tensor(pair, [2])])
    write_zip(folder / "empty.pth", collections.OrderedDict())
    write_zip(folder / "char.pth", one(Tensor(storage("Char", [1]), [1])))
    write_zip(folder / "script.pth", small(), more=[("constants.pkl", b""), ("code/net.py", b"")])
    write_zip(folder / "big.pth", small(), byteorder="big")
    write_zip(folder / "deflated.pth", small(), compression=zipfile.ZIP_DEFLATED)
    write_zip(folder / "no-data.pth", small(), drop=["data/0"])
    write_zip(folder / "no-pickle.pth", small(), drop=["data.pkl"])
    write_zip(folder / "outside.pth", one(Tensor(pair, [2], offset=1)))
    write_zip(folder / "stride.pth", one(Tensor(pair, [2], [2])))
    write_zip(folder / "repeated.pth", one(Tensor(pair, [1 << 40], [0])))
    write_zip(folder / "overflow.pth", one(Tensor(pair, [1 << 33, 1 << 33], [1 << 33, 1])))
    write_zip(folder / "negative.pth", one(Tensor(pair, [-1], [1])))
    write_zip(folder / "short.pth", one(Tensor(Storage("Float", b"\0" * 7, 2), [2])))
    good = (folder / "good.pth").read_bytes()
    (folder / "cut.pth").write_bytes(good[:len(good) // 2])
    damaged = bytearray(good)
    damaged[good.index(struct.pack("<f", 11.0))] ^= 1
    (folder / "damaged.pth").write_bytes(damaged)
    legacy = (folder / "legacy.pth").read_bytes()
    (folder / "legacy-cut.pth").write_bytes(legacy[:-1])
    (folder / "legacy-more.pth").write_bytes(legacy + b"\0")


def convert(source, target):
    content = Path(source).read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + size])
    header.pop("__metadata__", None)
    state = collections.OrderedDict()
    for name, tensor in header.items():
        begin, end = tensor["data_offsets"]
        state[name] = Tensor(Storage("Float", content[8 + size + begin:8 + size + end], (end - begin) // 4), tensor["shape"])
    write_zip(target, state)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        write_cases(Path(sys.argv[1]))
    else:
        convert(*sys.argv[1:])
