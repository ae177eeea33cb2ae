"""Model folders in and out, through the one strict table of `hf_table`.

The names and layouts are those of Hugging Face `transformers`, so what is
shipped loads there and what is trained there loads here. Tensors are read one
after the other to where they belong; unknown, missing and misshapen ones are
found before, in the headers of the files.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import re
from collections.abc import Mapping, Set
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxlrm import files
from jaxlrm.config import ModelConfig
from jaxlrm.files import visible
from jaxlrm.models import hf_table, params
from jaxlrm.models.hf_config import from_json, to_json
from jaxlrm.models.hf_tensors import Stored, list_tensors, read_tensors
from jaxlrm.models.placing import OnHost

__all__ = [
    "INDEX",
    "WEIGHTS",
    "from_json",
    "load",
    "save",
    "to_json",
    "to_tensors",
    "weight_files",
]

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"  # of a model in several files
_PREFIX = "model."  # of all tensors but those of heads
_HEADS = (hf_table.HEAD, "score.weight", "score.bias")
_SHOWN = 20  # names of tensors in a message
_ROWS = 1024  # of a tensor that are compared at a time
# Buffers that old files hold; they are computed anew.
_BUFFERS = re.compile(r"(.*\.)?rotary_emb\.inv_freq")
# Weights in other forms, and how to get safetensors of them.
_CONVERT = (
    'python -c "from transformers import AutoModelForCausalLM as A; '
    "A.from_pretrained('{folder}'{how}).save_pretrained('{folder}')\""
)
_OTHER_FORMS = {
    "pytorch_model*.bin": "",
    "tf_model.h5": ", from_tf=True",
    "flax_model.msgpack": ", from_flax=True",
}


def to_tensors(
    config: ModelConfig, values: params.Transformer
) -> dict[str, np.ndarray]:
    """The tensors of a checkpoint, by their names in `transformers`."""
    table = hf_table.tensors(config)
    return {name: tensor.write(values) for name, tensor in table.items()}


def load(
    folder: str | pathlib.Path, place: Any = None, digest: Any = None
) -> tuple[ModelConfig, params.Transformer]:
    """Reads a model folder, a tensor at a time.

    A model whose `tie_word_embeddings` is true, and whose file holds a head
    other than the embedding, has that head, as in transformers 5.

    Args:
        folder: of the model.
        place: where its parameters go, see `placing`; by default they are
            numpy arrays on the host.
        digest: a hash of `hashlib`, that is given all bytes of the weights.

    Raises:
        FileNotFoundError: a file is missing; says what there is instead.
        OSError: a file cannot be read.
        ValueError: a file is truncated, of another model or in a format that
            is not read; names the file, and the field or the tensors.
    """
    folder = pathlib.Path(folder)
    path = _existing(folder / "config.json")
    where = visible(str(path), lines=False)
    config = from_json(files.read_json(path), where)
    shards = weight_files(folder)
    stored: dict[str, Stored] = {}
    for shard, names in shards.items():
        stored |= _list(shard, names)
    names = _renamed(stored)
    config = _with_head(config, names, stored, shards)
    table = hf_table.tensors(config)
    if problems := _differences(config, table, names, stored):
        path = folder / (WEIGHTS if folder / WEIGHTS in shards else INDEX)
        raise ValueError(f"{visible(str(path), lines=False)}: {problems}")
    ours = {theirs: name for name, theirs in names.items()}
    if place is None:
        place = OnHost()
    dtypes: dict[tuple[str, ...], np.dtype] = {}
    for name, tensor in table.items():
        dtype = stored[names[name]].dtype
        for part in tensor.places:
            known = dtypes.get(part.path, dtype)
            dtypes[part.path] = jnp.promote_types(known, dtype)
    values = place.allocate(config, dtypes)
    for shard in shards:
        hashed = digest.update if digest is not None else None
        for theirs, value in read_tensors(shard, hashed):
            tensor = table.get(ours.get(theirs, ""))
            for part, piece in tensor.read(value) if tensor else ():
                values = place.put(values, part, piece)
    return config, values


def _differences(
    config: ModelConfig,
    table: Mapping[str, hf_table.Tensor],
    names: Mapping[str, str],
    stored: Mapping[str, Stored],
) -> str:
    """What is missing, unknown or of another shape; empty if nothing is."""
    known = set(table)
    if config.tie_word_embeddings:  # some files store the copy
        known.add(hf_table.HEAD)
    missing = [name for name in table if name not in names]
    unknown = [theirs for name, theirs in names.items() if name not in known]
    misshapen = [
        f"{_name(name)} {stored[names[name]].shape}, not {tensor.shape}"
        for name, tensor in table.items()
        if name in names and stored[names[name]].shape != tensor.shape
    ]
    found = [
        f"{what} ({len(those)}): {_some(those)}"
        for what, those in (
            ("missing tensors", list(map(_name, missing))),
            ("tensors unknown to config.json", sorted(map(_name, unknown))),
            ("tensors of another shape than it asks for", misshapen),
        )
        if those
    ]
    if not found:
        return ""
    hint = "is config.json of the same model?"
    if missing == [hf_table.HEAD]:
        hint = (
            "was the model saved without its head (AutoModel)? With "
            "tie_word_embeddings true in config.json the embedding is the head"
        )
    return f"{'; '.join(found)}; {hint}"


def _some(names: list[str]) -> str:
    """All of them, where they are few."""
    more = len(names) - _SHOWN
    end = f" and {more} more" if more > 0 else ""
    return ", ".join(names[:_SHOWN]) + end


def _name(tensor: str) -> str:
    """A tensor's name for a message."""
    return visible(tensor[:200], lines=False)


def _renamed(stored: Mapping[str, Stored]) -> dict[str, str]:
    """Names of tensors by those of `AutoModelForCausalLM`; no buffers.

    `AutoModel`, a model without a head, is saved without the prefix.
    """
    bare = hf_table.EMBEDDING.removeprefix(_PREFIX)
    headless = bare in stored and hf_table.EMBEDDING not in stored
    prefix = _PREFIX if headless else ""
    return {
        name if name in _HEADS else prefix + name: name
        for name in stored
        if not _BUFFERS.fullmatch(name)
    }


def _with_head(
    config: ModelConfig,
    names: Mapping[str, str],
    stored: Mapping[str, Stored],
    shards: Mapping[pathlib.Path, Any],
) -> ModelConfig:
    """Untied, if the file holds a head other than the embedding.

    As in transformers 5, whatever `tie_word_embeddings` says.
    """
    both = [names.get(hf_table.HEAD), names.get(hf_table.EMBEDDING)]
    if None in both or not config.tie_word_embeddings:
        return config
    head, embedding = (stored[name] for name in both)
    same = head.shape == embedding.shape and _equal(shards, *both)
    return dataclasses.replace(config, tie_word_embeddings=same)


def _equal(shards: Mapping[pathlib.Path, Any], *names: str) -> bool:
    """Whether two tensors hold the same."""
    import safetensors

    with contextlib.ExitStack() as stack:
        slices = {}
        for shard in shards:
            file = stack.enter_context(safetensors.safe_open(shard, "np"))
            for name in set(names) & set(file.keys()):
                slices[name] = file.get_slice(name)
        one, two = (slices[name] for name in names)
        rows = one.get_shape()[0]
        parts = (slice(n, min(n + _ROWS, rows)) for n in range(0, rows, _ROWS))
        return all(np.array_equal(one[part], two[part]) for part in parts)


def save(
    folder: str | pathlib.Path, config: ModelConfig, values
) -> pathlib.Path:
    """Writes `config.json` and `model.safetensors`."""
    from safetensors.numpy import save as serialise

    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    shape = to_json(config, str(values.embedding.dtype))
    files.write(folder / "config.json", json.dumps(shape, indent=2) + "\n")
    path = folder / WEIGHTS
    with files.naming(path):
        path.write_bytes(
            serialise(to_tensors(config, values), {"format": "pt"})
        )
    return path


def weight_files(
    folder: str | pathlib.Path,
) -> dict[pathlib.Path, set[str] | None]:
    """The files with a model's tensors, in the order of their names.

    Returns:
        Of each file the names of its tensors: of the shards that `INDEX`
        lists where there is no `WEIGHTS`, which itself may hold any (None).

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the index cannot be read.
    """
    weights, index = (pathlib.Path(folder) / name for name in (WEIGHTS, INDEX))
    if weights.is_file() or not index.is_file():
        return {_existing(weights): None}
    shards: dict[pathlib.Path, set[str]] = {}
    places = files.read_object(index).object("weight_map")
    for tensor in places.values:
        name = places.text(tensor)
        if not name or pathlib.Path(name).name != name:
            raise places.error(tensor, "it must be a file beside the index")
        shards.setdefault(index.with_name(name), set()).add(tensor)
    return {_existing(path): shards[path] for path in sorted(shards)}


def _list(path: pathlib.Path, names: set[str] | None) -> dict[str, Stored]:
    """The tensors of a file, which must be `names`, if they are given."""
    found = list_tensors(path)
    check_names(found.keys(), names, path)
    return found


def check_names(
    found: Set[str], names: Set[str] | None, path: pathlib.Path
) -> None:
    """Refuses a file that holds other tensors than the index says.

    Args:
        found: names of its tensors.
        names: those of the index; None without one.
        path: the file.

    Raises:
        ValueError: they differ; names the file and a tensor.
    """
    if names is not None and (differ := sorted(found ^ names)):
        raise ValueError(
            f"{visible(str(path), lines=False)}: tensors that are here or in "
            f"{INDEX} but not in both ({len(differ)}): "
            f"{_some(list(map(_name, differ)))}; are they of the same model?"
        )


def _existing(path: pathlib.Path) -> pathlib.Path:
    if path.is_file():
        return path
    missing = f"{visible(str(path), lines=False)} is missing"
    folder = path.parent
    for found in sorted(folder.glob("*.gguf"))[:1]:
        source = visible(str(found), lines=False)
        raise FileNotFoundError(
            f"{missing}, and {found.name} is not read as it is; make a folder "
            f"of it: python -m launch.convert --source={source} --output=DIR"
        )
    for pattern, how in _OTHER_FORMS.items():
        for found in sorted(folder.glob(pattern))[:1]:
            name = visible(found.name, lines=False)
            command = _CONVERT.format(
                folder=visible(str(folder), lines=False),
                how=how.format(name=name),
            )
            raise FileNotFoundError(
                f"{missing}, and {name} is not read; make safetensors of it "
                f"with transformers: {command}"
            )
    if (folder / "adapter_config.json").is_file():
        raise FileNotFoundError(
            f"{missing}, and {visible(str(folder), lines=False)} holds an "
            "adapter alone; merge it into its model: python -m launch.convert "
            f"--source=MODEL --lora={folder} --output=DIR"
        )
    raise FileNotFoundError(
        f"{missing}; a model folder holds config.json, {WEIGHTS} (or {INDEX} "
        "and its shards), tokenizer.json and what else transformers writes"
    )
