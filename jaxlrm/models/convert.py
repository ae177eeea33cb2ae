"""Model folders out of GGUF files, and out of other model folders.

Weights go through tensor by tensor (`streams`), so that a machine converts
models larger than its memory. A folder is written under another name beside
its place and renamed when it is whole; `config.json` comes last.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jaxlrm import files, hub
from jaxlrm.files import visible
from jaxlrm.models import (
    gguf,
    gguf_config,
    gguf_names,
    hf_config,
    lora,
    streams,
)
from jaxlrm.models.streams import Tensor
from jaxlrm.text import Text
from jaxlrm.text import gguf as text_gguf

AUTO = "auto"  # as the source has it; of quantised weights bfloat16
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
# Beside the weights, what a folder is copied with.
_COPIED = ("*.json", "*.jinja", "*.txt", "tokenizer.model", "LICENSE*")
_WRITTEN = (CONFIG, f"{WEIGHTS}.index.json", lora.CONFIG)
_TEMPLATES = "additional_chat_templates"


@dataclasses.dataclass(frozen=True)
class Source:
    """A model as it is going to be written.

    Attributes:
        where: name of the source, for messages.
        config: the value of `config.json`.
        tensors: of the model, by the names of `transformers`.
        dtype: what they are written as, one of `streams.DTYPES`.
        write_text: writes the other files into a folder.
    """

    where: str
    config: dict[str, Any]
    tensors: Sequence[Tensor]
    dtype: str
    write_text: Callable[[pathlib.Path], None]


@dataclasses.dataclass(frozen=True)
class Converted:
    """What was written.

    Attributes:
        kind: `model_type`.
        tensors: their number.
        bytes: of the weights.
        dtype: of the weights.
    """

    kind: str
    tensors: int
    bytes: int
    dtype: str


def convert(
    source: str,
    output: str | os.PathLike,
    *,
    dtype: str = AUTO,
    adapter: str | os.PathLike | None = None,
    report: streams.Report = lambda done, total, name: None,
) -> Converted:
    """Writes a model folder.

    Args:
        source: a model folder, a GGUF file (the first, if it is split), or a
            model of the Hub (`ORG/NAME`).
        output: the folder, which must be empty or not exist.
        dtype: of the weights, `AUTO` or one of `streams.DTYPES`.
        adapter: folder of a LoRA adapter to merge.
        report: called with bytes done, bytes in all and a tensor's name.

    Raises:
        FileNotFoundError: there is no such source, or a file is missing.
        OSError: a file cannot be read or written.
        ValueError: a file is not what it should be, or the output is not
            empty.
    """
    with _whole(pathlib.Path(output)) as folder:
        model = read(source, dtype)
        tensors = model.tensors
        if adapter is not None:
            tensors = lora.merge(tensors, lora.read(adapter))
        size = streams.size(tensors, model.dtype)
        _require_space(folder, size)
        model.write_text(folder)
        Text.load(folder)  # says what is wrong with it before the long part
        streams.write(folder / WEIGHTS, tensors, model.dtype, report)
        _write_json(folder / CONFIG, model.config)
    return Converted(
        str(model.config["model_type"]), len(tensors), size, model.dtype
    )


def read(source: str, dtype: str = AUTO) -> Source:
    """A model that has yet to be read; see `convert`."""
    path = pathlib.Path(source)
    if path.is_file():
        return _read_gguf(path, dtype)
    if source and path.is_dir():
        return _read_folder(path, dtype)
    if hub.is_id(source):
        return _read_folder(hub.download(source), dtype)
    raise FileNotFoundError(
        f"no source {files.shown(source)}; give a model folder, a GGUF file, "
        "or ORG/NAME of the Hugging Face Hub"
    )


def _read_gguf(path: pathlib.Path, dtype: str) -> Source:
    file = gguf.read(path)
    kinds = {t.kind for t in file.tensors.values() if len(t.shape) > 1}
    if dtype == AUTO:
        own = {"F32": "float32", "F64": "float32", "F16": "float16"}
        dtype = own.get(kinds.pop(), "bfloat16") if len(kinds) == 1 else ""
        dtype = dtype or "bfloat16"
    config = gguf_config.from_metadata(file, dtype)
    texts = text_gguf.text_files(
        file.metadata, file.where, config["max_position_embeddings"]
    )
    ends = texts["generation_config.json"]
    config |= {
        name: ends.get(name)
        for name in ("bos_token_id", "eos_token_id", "pad_token_id")
    }
    hf_config.from_json(config, file.where)
    tensors = gguf_names.tensors(file, config)

    def write_text(folder: pathlib.Path) -> None:
        for name, value in texts.items():
            _write_json(folder / name, value)

    return Source(file.where, config, tensors, dtype, write_text)


def _read_folder(path: pathlib.Path, dtype: str) -> Source:
    # It brings in JAX, which GGUF files do without.
    from jaxlrm.models import hf

    where = visible(str(path), lines=False)
    shards = hf.weight_files(path)
    config = files.read_json(path / CONFIG)
    hf_config.from_json(config, f"{where}/{CONFIG}")
    tensors: list[Tensor] = []
    for shard, names in shards.items():
        found = streams.read(shard)
        hf.check_names({tensor.name for tensor in found}, names, shard)
        tensors += found
    if dtype == AUTO:
        kinds = {tensor.dtype for tensor in tensors}
        dtype = kinds.pop() if len(kinds) == 1 else "float32"
        dtype = dtype if dtype in streams.DTYPES else "float32"
    for name in {"torch_dtype", *({"dtype"} & config.keys())}:
        config[name] = dtype

    def write_text(folder: pathlib.Path) -> None:
        for pattern in _COPIED:
            for one in path.glob(pattern):
                if one.is_file() and one.name not in _WRITTEN:
                    shutil.copyfile(one, folder / one.name)
        if (path / _TEMPLATES).is_dir():
            shutil.copytree(path / _TEMPLATES, folder / _TEMPLATES)

    return Source(where, config, tensors, dtype, write_text)


@contextlib.contextmanager
def _whole(output: pathlib.Path) -> Iterator[pathlib.Path]:
    """A new folder that is `output` once the block has ended well."""
    output = pathlib.Path(os.path.abspath(output))
    where = visible(str(output), lines=False)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ValueError(
            f"{where} is there and not an empty folder; name another output, "
            "or remove it"
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    part = tempfile.mkdtemp(
        prefix=f".{output.name}.", suffix=".part", dir=output.parent
    )
    folder = pathlib.Path(part)
    try:
        yield folder
        mask = os.umask(0)
        os.umask(mask)
        folder.chmod(0o777 & ~mask)
        os.replace(folder, output)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _require_space(folder: pathlib.Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        raise ValueError(
            f"the weights need {size / 1e9:.1f} GB, and the disk of "
            f"{visible(str(folder.parent), lines=False)} has "
            f"{free / 1e9:.1f}; make room, or write them in bfloat16"
        )


def _write_json(path: pathlib.Path, value: Any) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    files.write(path, text + "\n")
