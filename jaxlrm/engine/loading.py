"""Engines out of model folders: the shipped ones, and those of users."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxlrm import files, hub
from jaxlrm.config import WEIGHTS
from jaxlrm.engine import calibrate
from jaxlrm.engine.engine import Engine, Learned, Own
from jaxlrm.models import hf, sharding
from jaxlrm.models.placing import OnMesh
from jaxlrm.text import Text

SHIPPED = pathlib.Path(__file__).parents[1] / "weights"
DEFAULT = "mini"
OWN = "own"  # the generator's value head, among reward models


def load(
    name: str | os.PathLike = DEFAULT,
    *,
    reward: str | os.PathLike | Mapping[str | os.PathLike, float] | None = None,
    mesh: jax.sharding.Mesh | None = None,
    weights: str = "",
    **options: Any,
) -> Engine:
    """An engine with the model called `name`, or in that folder.

    Args:
        name: a shipped model, a model of the Hugging Face Hub, or a folder
            as `transformers` writes it; see `find` and docs/models.md.
        reward: the same for a separate reward model; or several, each with
            the weight of its logit, among which `OWN` is the value head of
            the generator itself: `{"own": 1.0, "prm": 2.0}`.
        mesh: devices; by default the first one alone.
        weights: of the generator: "" as the checkpoint has them, or "int8":
            those of its products in eight bits, half the memory of bfloat16.
        **options: further arguments of `Engine`.

    Raises:
        FileNotFoundError: no such model, or a file of it is missing.
        ValueError: JAX is in its 64-bit mode.
        ValueError: a file cannot be read, or is of another model, or a reward
            model has another tokenizer than the generator, or no positive
            weight.
    """
    if jax.config.jax_enable_x64:
        raise ValueError(
            "jax_enable_x64 is on, and models here run in 32 bits; switch it "
            'off: jax.config.update("jax_enable_x64", False)'
        )
    folder = find(name)
    mesh = mesh or sharding.make_mesh()
    digest = hashlib.sha256()
    if weights not in WEIGHTS:
        raise ValueError(
            f"weights {weights!r} is unknown; use one of "
            f"{', '.join(map(repr, WEIGHTS))}"
        )
    generator = _read(folder, OnMesh(mesh, weights=weights), digest, weights)
    text = Text.load(folder)
    if reward is None:
        reward = {}
    elif not isinstance(reward, Mapping):
        reward = {reward: 1.0}
    # All of one dtype: their keys and values share the caches.
    place = OnMesh(mesh, generator.params.embedding.dtype)
    rewards = [
        Own(weight)
        if judge == OWN
        else _read_judge(find(judge), place, weight, folder, text)
        for judge, weight in reward.items()
    ]
    extensions = _extensions(text, folder, options.pop("extensions", ()))
    return Engine(
        generator,
        text,
        extensions=extensions,
        rewards=rewards,
        mesh=mesh,
        name=str(name),
        weights_hash=digest.hexdigest(),
        **options,
    )


def _extensions(
    text: Text, folder: pathlib.Path, named: Sequence[str]
) -> list[str]:
    """The modules to import: those named, and those of the model's folder.

    Raises:
        ValueError: the folder asks for a module that nobody has named, and
            that is not of this package: a folder never chooses code to run.
    """
    for name in text.extensions:
        own = name == "jaxlrm" or name.startswith("jaxlrm.")
        if not own and name not in named:
            raise ValueError(
                f"the model in {folder} needs the extension "
                f"{files.shown(name)}; if you trust it, name it too: "
                "--extensions, or load(..., extensions=[...])"
            )
    return list(dict.fromkeys((*named, *text.extensions)))


def _read(
    folder: pathlib.Path, place: OnMesh, digest=None, weights: str = ""
) -> Learned:
    """A model, its scores calibrated as `calibration.json` says."""
    config, values = hf.load(folder, place, digest)
    learned = Learned(dataclasses.replace(config, weights=weights), values)
    line = calibrate.read(folder)
    head = learned.params.value_head
    if head is None:
        return learned
    head = head.replace(
        kernel=head.kernel * np.float32(line.scale),
        bias=head.bias * np.float32(line.scale) + np.float32(line.bias),
    )
    values = learned.params.replace(value_head=head)
    return dataclasses.replace(
        learned, params=values, likelihood=line.likelihood
    )


def _read_judge(
    folder: pathlib.Path,
    place: OnMesh,
    weight: float,
    generator: pathlib.Path,
    text: Text,
) -> Learned:
    """A reward model, which is given the tokens of the generator's `text`.

    Raises:
        ValueError: to the reward model they are other tokens.
    """
    learned = _read(folder, place)
    differ = []
    if any((folder / name).exists() for name in Text.FILES):
        differ = text.differences(Text.load(folder))
    if learned.config.vocab_size < text.vocab_size:
        differ.append(f"vocab_size {learned.config.vocab_size}")
    if differ:
        raise ValueError(
            f"the reward model in {folder} has another tokenizer than the "
            f"generator in {generator} ({', '.join(differ)}); train it with "
            "config.init set to the generator's folder"
        )
    return dataclasses.replace(learned, weight=weight)


def find(name: str | os.PathLike) -> pathlib.Path:
    """The folder of a model; one of the Hub is downloaded to its cache.

    Args:
        name: of a shipped model, or of one of the Hub (`ORG/NAME`, or
            `ORG/NAME@REVISION`), as a string; anything else is a folder.
            One's own folder `mini` is `./mini` or a `Path`.

    Raises:
        FileNotFoundError: it is none of these.
        OSError: a download fails.
        ValueError: a model of the Hub has no weights that can be read.
    """
    shipped = sorted(p.name for p in SHIPPED.glob("*") if p.is_dir())
    if isinstance(name, str) and name in shipped:
        return SHIPPED / name
    if name and pathlib.Path(name).is_dir():  # an empty path is no folder
        return pathlib.Path(name)
    if pathlib.Path(name).suffix == ".gguf":
        shown = files.visible(str(name), lines=False)
        raise FileNotFoundError(
            f"{shown} is not read as it is; make a folder of it: python -m "
            f"launch.convert --source={shown} --output=DIR"
        )
    if isinstance(name, str) and hub.is_id(name):
        return hub.download(name)
    raise FileNotFoundError(
        f"no model {files.shown(str(name))}; give a folder, ORG/NAME of the "
        f"Hugging Face Hub, or one of the shipped models: {', '.join(shipped)}"
    )


def enable_compilation_cache() -> None:
    """Keeps compiled programs on disk, so that the next start is quick.

    For programs, not for libraries: it sets JAX's global configuration,
    unless the user has.
    """
    if jax.config.jax_compilation_cache_dir is None:
        base = os.environ.get("XDG_CACHE_HOME", "~/.cache")
        folder = pathlib.Path(base).expanduser() / "jaxlrm" / "xla"
        jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
