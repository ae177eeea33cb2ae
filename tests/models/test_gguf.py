"""GGUF files: every type of tensor, and files that are damaged."""

from __future__ import annotations

import struct

import gguf as package
import numpy as np
import pytest

from jaxlrm.models import gguf
from tests import gguf_files


@pytest.mark.parametrize("kind", gguf.READ)
def test_rows_of_every_type(tmp_path, kind):
    """Whatever the bits are, a few rows are what the package makes of all."""
    quantised = package.GGMLQuantizationType[kind]
    values, size = package.GGML_QUANT_SIZES[quantised]
    rng = np.random.default_rng(0)
    raw = rng.integers(0, 256, (5, 2 * size), np.uint8)
    writer = package.GGUFWriter(tmp_path / "x.gguf", "llama")
    data = raw.view(np.float64) if kind == "F64" else raw
    writer.add_tensor("x", data, raw_dtype=None if kind == "F64" else quantised)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    tensor = gguf.read(tmp_path / "x.gguf").tensors["x"]
    assert (tensor.kind, tensor.shape) == (kind, (5, 2 * values))
    with np.errstate(all="ignore"):
        wanted = (
            data.astype(np.float32)
            if kind == "F64"
            else package.dequantize(raw, quantised)
        )
        found = tensor.values(tensor.raw(1, 4))
    np.testing.assert_array_equal(found, wanted[1:4])


def test_the_header_is_what_the_package_reads(tmp_path):
    path = gguf_files.tiny(tmp_path / "x.gguf", metadata={"a.b": [1.5, 2.0]})
    found, wanted = gguf.read(path), package.GGUFReader(path)
    for key, value in found.metadata.items():
        if isinstance(value, float):  # 1e-5 is written as such
            value = np.float32(value)
        field = wanted.fields[key].contents()
        assert list(value) == field if np.ndim(value) else value == field
    assert found.metadata["llama.attention.layer_norm_rms_epsilon"] == 1e-5
    for tensor in wanted.tensors:
        mine = found.tensors[tensor.name]
        assert mine.offset == tensor.data_offset
        assert list(mine.shape) == list(tensor.shape[::-1])


def test_a_file_cut_short(tmp_path):
    path = gguf_files.tiny(tmp_path / "x.gguf")
    whole = path.read_bytes()
    for keep in [*range(24, 9000, 331), len(whole) - 1]:
        path.write_bytes(whole[:keep])
        with pytest.raises(
            ValueError, match=f"x.gguf is cut short: it has {keep:,} bytes"
        ):
            gguf.read(path)


def changed(data: bytes, at: int, kind: str, value: int) -> bytes:
    size = struct.calcsize(kind)
    return data[:at] + struct.pack(kind, value) + data[at + size :]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: b"PK\3\4" + x[4:], r"begins with b'PK.*begins with b'GGUF'"),
        (lambda x: b"", "begins with b''"),
        (lambda x: changed(x, 4, "<I", 1), "version 1; versions 2 and 3"),
        (lambda x: changed(x, 4, ">I", 3), "version big-endian; versions 2"),
        (lambda x: changed(x, 8, "<Q", 1 << 60), "number of tensors is 1,152"),
        (lambda x: changed(x, 16, "<Q", 1 << 60), "number of keys is 1,152"),
        (lambda x: changed(x, 24, "<Q", 1 << 60), "is cut short"),
        (lambda x: changed(x, 52, "<I", 99), "type number 99, which GGUF does"),
        (
            lambda x: x.replace(b"llama.block_count", b"llama.block\xffcount"),
            "holds b'llama.block.xffcount', which is not UTF-8",
        ),
        (
            lambda x: x.replace(b"blk.1.attn_q.weight", b"blk.0.attn_q.weight"),
            "tensor 'blk.0.attn_q.weight' twice",
        ),
        (
            lambda x: changed(
                x, x.index(b"output_norm.weight") + 18 + 12, "<I", 25
            ),
            r"'output_norm.weight' is of type I16; read are F32, .*Q4_K",
        ),
        (
            lambda x: changed(
                x, x.index(b"output_norm.weight") + 18 + 12, "<I", 12
            ),
            r"'output_norm.weight' of type Q4_K has shape \(32,\); .* of 256",
        ),
        (
            lambda x: changed(x, x.index(b"output_norm.weight") + 18, "<I", 9),
            "'output_norm.weight' has 9 dimensions; 1 to 4 are read",
        ),
        (
            lambda x: b"version https://git-lfs.github.com/spec/v1\n" + x,
            "is a pointer of git-lfs",
        ),
    ],
)
def test_a_damaged_file(tmp_path, change, message):
    path = gguf_files.tiny(tmp_path / "x.gguf")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=f"x.gguf.*{message}"):
        gguf.read(path)


def test_a_split_file(tmp_path):
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"x-0000{i}-of-00002.gguf" for i in (1, 2)]
    parts = [{f"x{i}": rng.normal(size=(2, 4))} for i in (1, 2)]
    parts = [{k: v.astype(np.float32) for k, v in p.items()} for p in parts]
    for path, part in zip(paths, parts, strict=True):
        gguf_files.write(path, "llama", {"split.count": 2}, part)
    found = gguf.read(paths[0]).tensors
    for part in parts:
        for name, value in part.items():
            raw = found[name].raw(0, 2)
            np.testing.assert_array_equal(found[name].values(raw), value)
    with pytest.raises(ValueError, match="one of 2 files .* -00001-of-00002"):
        gguf.read(paths[1])
    paths[1].unlink()
    with pytest.raises(FileNotFoundError, match="x-00002-of-00002.gguf"):
        gguf.read(paths[0])
