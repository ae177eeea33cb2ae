"""The programs of a round, compiled for devices that need not be there."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec

from jaxlrm.config import ModelConfig
from jaxlrm.decode.write import Tables
from jaxlrm.engine import binding, footprint, layout
from jaxlrm.engine.layout import Layout, Models
from jaxlrm.models import params
from jaxlrm.search import lockstep

_STATES = 16  # of the automaton that finds the ends of steps
_COLLECTIVE = re.compile(
    r"= (.*?) (all-gather|all-reduce|all-to-all|collective-permute|"
    r"reduce-scatter)(-start)?\("
)
_ARRAY = re.compile(r"(\w+)\[([\d,]*)\]")
_BITS = re.compile(r"\d+")


class Measured(NamedTuple):
    """What the compiler says of a program, in bytes of one device.

    Attributes:
        arguments: what it is given.
        temporaries: what it takes beside, at most at once.
        code: the program itself.
        collectives: for each kind, how many there are in its text and the
            bytes that they bring; one in a loop is counted once.
    """

    arguments: int
    temporaries: int
    code: int
    collectives: dict[str, tuple[int, int]]


def lower(models: Models, search: Layout) -> dict[str, jax.stages.Lowered]:
    """The programs of a round that go through a model's layers.

    Args:
        models: of an engine; the mesh may be of devices of a topology.
        search: how it is laid out.

    Returns:
        `commit`, `write` and, where a reward model reads, `score`.
    """
    model = layout.bind(models, search)
    state = jax.eval_shape(layout.first_state(models, search))
    places = binding.placements(models.mesh, state)
    programs = lockstep.compile_rounds(model, search.strategy, places)
    judges = models.asked(search.config)
    readers = [judge.config for judge in judges if judge.config]
    weights = binding.Weights(
        _placed_values(models, models.generator),
        tuple(_placed_values(models, config) for config in readers),
        _tables(models),
    )
    placed = jax.tree.map(_place, state, places)
    seen = search.sizes.seen[-1]
    with jax.set_mesh(models.mesh):
        lowered = {
            "commit": programs.commit.lower(placed),
            "write": programs.write.lower(placed, weights, seen),
        }
        if model.reads:
            lowered["score"] = programs.score.lower(placed, weights)
    return lowered


def measure(lowered: jax.stages.Lowered) -> Measured:
    """Compiles a program, and says what it takes of a device."""
    compiled = lowered.compile()
    memory = compiled.memory_analysis()
    return Measured(
        memory.argument_size_in_bytes,
        memory.temp_size_in_bytes,
        memory.generated_code_size_in_bytes,
        collectives(compiled.as_text()),
    )


def collectives(text: str) -> dict[str, tuple[int, int]]:
    """How many of each kind a program has, and the bytes that they bring.

    Args:
        text: of the compiled program.
    """
    found: dict[str, tuple[int, int]] = {}
    for shapes, kind, begins in _COLLECTIVE.findall(text):
        arrays = [_array(*array) for array in _ARRAY.findall(shapes)]
        if begins:  # what is sent comes first, then as much that is received
            arrays = arrays[len(arrays) // 2 :]
        number, size = found.get(kind, (0, 0))
        found[kind] = number + 1, size + sum(arrays)
    return found


def _array(dtype: str, sizes: str) -> int:
    bits = _BITS.search(dtype)
    size = int(bits[0]) // 8 if bits else 1
    for axis in filter(None, sizes.split(",")):
        size *= int(axis)
    return size


def _placed_values(models: Models, config: ModelConfig) -> params.Transformer:
    places = params.shardings(config, models.mesh)
    return jax.tree.map(_place, footprint.values(models, config), places)


def _tables(models: Models) -> Tables:
    size = models.generator.vocab_size
    where = NamedSharding(models.mesh, PartitionSpec())
    shapes = jax.eval_shape(
        lambda: Tables.without_thinking(
            *[jnp.zeros(size, bool)] * 2,
            jnp.zeros((_STATES, size), jnp.int16),
            jnp.zeros((_STATES, size), bool),
        )
    )
    return jax.tree.map(lambda x: _place(x, where), shapes)


def _place(x: Any, where: NamedSharding) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=where)
