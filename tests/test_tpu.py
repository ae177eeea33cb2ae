"""A round of the search, compiled for TPUs that are not there.

libtpu compiles for a TPU without one, and says what memory the program takes.
What it takes beside weights and cache must stay small, or the cache could not
fill the memory: a trunk that is copied once would halve it.

    python tests/test_tpu.py 16

prints the figures for a model of 16 layers, which a slow test holds to, and

    python tests/test_tpu.py attention

those of attention to a trunk, as a kernel and as XLA compiles it.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import math
import os
import pathlib
import platform
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[1]
LAYERS = 4
# What is claimed is claimed of models this deep. A copy of a few layers may
# find room in a TPU's fast memory, which does not count.
DEEP = 16
# Slots of a stem, and of a tail: of steps that take several rounds.
MODES = {"trunk": (0, 0), "stem": (1024, 0), "tail": (1024, 256)}
DEEP_MODES = ("trunk", "stem")
CHUNK = 32
TRUNK, PROMPT, STEPS, BRANCHES, WIDTH = 16384, 512, 64, 64, 4
DATA, MODEL = 4, 2
PROBLEMS = 2 * DATA
LIMIT, DEEP_LIMIT = 0.08, 0.05  # temporaries, as a share of the cache
# Of attention to a trunk by a model of the same heads: a topology, a mesh of
# it, problems on each of its rows, branches that are read at a time and tokens
# of each.
ATTENTION = {
    "decoding on a chip": ("v5p:2x2x1", (1, 1), 1, BRANCHES, 1),
    "scoring on a mesh": ("v5e:2x4", (DATA, MODEL), 4, 8, STEPS),
}
LESS = 0.2  # temporaries with the kernel, as a share of those without
ENVIRONMENT = {
    "JAX_ENABLE_COMPILATION_CACHE": "false",
    # Or libtpu looks for a TPU, and for other processes that have it.
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-8",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_LOG_DIR": "disabled",
}
COLLECTIVE = re.compile(
    r"= (.*?) (all-gather|all-reduce|all-to-all|collective-permute|"
    r"reduce-scatter)(-start)?\("
)


def model_config(layers: int):
    """Qwen3-1.7B with fewer layers, and as much less of a vocabulary.

    What a round needs does not grow with the layers: it is a larger share of
    a smaller model's cache.
    """
    from jaxlrm.config import ModelConfig

    vocabulary = 151936 * layers / 28
    return ModelConfig(
        vocab_size=math.ceil(vocabulary / 128) * 128,
        hidden_size=2048,
        num_layers=layers,
        num_heads=16,
        num_kv_heads=8,
        head_dim=128,
        intermediate_size=6144,
        qk_norm=True,
        max_position_embeddings=40960,
        value_head=True,
    )


def lower(
    layers: int,
    stem: int,
    tail: int = 0,
    grid: tuple[int, int] = (DATA, MODEL),
    problems: int = PROBLEMS,
):
    """The programs of a round with the cache, and its bytes on a device."""
    import jax
    import jax.numpy as jnp
    from jax.experimental import topologies

    from jaxlrm.config import SearchConfig
    from jaxlrm.decode.write import Tables
    from jaxlrm.engine import binding
    from jaxlrm.models import params, sharding
    from jaxlrm.search import lockstep, strategies

    topology = topologies.get_topology_desc(
        platform="tpu", topology_name="v5e:2x4"
    )
    mesh = sharding.make_mesh(*grid, topology.devices)
    config = model_config(layers)
    strategy = strategies.build(
        SearchConfig(
            branches=BRANCHES,
            width=WIDTH,
            step_tokens=tail or STEPS,
            chain_tokens=1024,
        )
    )
    chunk = CHUNK if tail else STEPS
    model = binding.Binding(
        config,
        (binding.Judge(None),),
        strategy,
        binding.Sizes(
            *(problems, BRANCHES, PROMPT, TRUNK, stem, chunk, tail),
            seen=(0, tail),
        ),
        # As the engine has it: devices that share branches count no tokens.
        counted=problems % grid[0] == 0,
        dtype=jnp.bfloat16,
    ).model()

    def place(x, where):
        return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=where)

    def everywhere(x):
        whole = jax.sharding.PartitionSpec()
        return place(x, jax.sharding.NamedSharding(mesh, whole))

    blank = functools.partial(lockstep.initial, model, strategy, problems)
    state = jax.eval_shape(blank)
    places = binding.placements(mesh, state)
    values = jax.tree.map(
        lambda spec: jax.ShapeDtypeStruct(spec.shape, jnp.bfloat16),
        params.specs(config),
        is_leaf=params.is_spec,
    )
    tables = jax.eval_shape(
        lambda: Tables.without_thinking(
            *[jnp.zeros(config.vocab_size, bool)] * 2,
            jnp.zeros((16, config.vocab_size), jnp.int16),
            jnp.zeros((16, config.vocab_size), bool),
        )
    )
    weights = binding.Weights(
        jax.tree.map(place, values, params.shardings(config, mesh)),
        (),
        jax.tree.map(everywhere, tables),
    )
    programs = lockstep.compile_rounds(model, strategy, places)
    placed = jax.tree.map(place, state, places)
    with jax.set_mesh(mesh):
        lowered = (
            programs.commit.lower(placed),
            programs.write.lower(placed, weights, tail),
        )
    here, there = state.cache.generator, places.cache.generator

    def size(leaf, where):
        return math.prod(where.shard_shape(leaf.shape)) * leaf.dtype.itemsize

    held = sum(
        sum(jax.tree.leaves(jax.tree.map(size, *segments)))
        for segments in (
            (here.prompt, there.prompt),
            (here.trunk, there.trunk),
            (here.stem, there.stem),
            (here.tail, there.tail),
            (here.twig, there.twig),
        )
    )
    return lowered, held


def measure(layers: int) -> dict:
    """What the compiled programs take on each device, by mode, in bytes."""
    # Compiling is most of it: a deep model with a tail is left to be asked for.
    modes = [name for name in MODES if layers < DEEP or name in DEEP_MODES]
    lowered = {name: lower(layers, *MODES[name]) for name in modes}
    figures = {}
    for name, (programs, held) in lowered.items():
        before = time.perf_counter()
        with ThreadPoolExecutor() as pool:
            compiled = list(pool.map(lambda x: x.compile(), programs))
        seconds = time.perf_counter() - before
        memory = [x.memory_analysis() for x in compiled]
        commit, write = (x.temp_size_in_bytes for x in memory)
        figures[name] = {
            "cache": held,
            "temporaries": {"commit": commit, "write": write},
            "ratio": max(commit, write) / held,
            "donated": min(x.alias_size_in_bytes for x in memory),
            "program": sum(x.generated_code_size_in_bytes for x in memory),
            "seconds": round(seconds, 1),
            "exchanged": sorted(
                {
                    found[1]
                    for program in compiled
                    for found in COLLECTIVE.finditer(program.as_text())
                }
            ),
        }
    return figures


def lower_attention(case: str, kernel: bool):
    """The lowered program of `attend`, with or without the kernel."""
    import jax
    import jax.numpy as jnp
    from jax.experimental import topologies

    from jaxlrm.models import attention, kernels, sharding
    from jaxlrm.models.segments import Part

    name, grid, problems, branches, tokens = ATTENTION[case]
    topology = topologies.get_topology_desc(platform="tpu", topology_name=name)
    mesh = sharding.make_mesh(*grid, topology.devices)
    config = model_config(LAYERS)
    problems *= grid[0]
    kv_heads, dim = config.num_kv_heads, config.head_dim

    def array(shape, *axes, dtype=jnp.bfloat16):
        where = jax.sharding.NamedSharding(mesh, sharding.partition(*axes))
        return jax.ShapeDtypeStruct(shape, dtype, sharding=where)

    query = (problems, branches, tokens, config.num_heads, dim)
    keys = (problems, 1, kv_heads, dim, TRUNK)
    heads = ("problems", None, "kv_heads")
    part = Part(
        array(keys, *heads),
        array((*keys[:3], TRUNK, dim), *heads),
        array((problems, branches, 1, TRUNK), "problems", dtype=bool),
    )
    shortest = kernels.SHORTEST if kernel else TRUNK + 1
    with jax.set_mesh(mesh), pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "SHORTEST", shortest)
        return jax.jit(lambda *x: attention.attend(x[0], x[1:])).lower(
            array(query, "problems", None, None, "heads"), part
        )


def measure_attention() -> dict:
    """What the compiled programs take on each device, in bytes."""
    lowered = {
        (case, kernel): lower_attention(case, kernel)
        for case in ATTENTION
        for kernel in (True, False)
    }
    with ThreadPoolExecutor() as pool:
        compiled = pool.map(lambda x: x.compile(), lowered.values())
    figures = {case: {} for case in ATTENTION}
    for (case, kernel), program in zip(lowered, compiled, strict=True):
        text = program.as_text()
        figures[case]["kernel" if kernel else "xla"] = {
            "temporaries": program.memory_analysis().temp_size_in_bytes,
            "kernels": text.count('custom_call_target="tpu_custom_call"'),
            "exchanged": len(COLLECTIVE.findall(text)),
        }
    return figures


def measure_branches() -> dict:
    """A step of one problem whose branches a whole mesh shares, by mode."""
    figures = {}
    for name, (stem, tail) in MODES.items():
        grid = DATA * MODEL, 1
        (_, write), held = lower(1, stem, tail, grid, problems=1)
        program = write.compile()
        text = program.as_text()
        figures[name] = {
            "cache": held,
            "temporaries": program.memory_analysis().temp_size_in_bytes,
            "kernels": text.count('custom_call_target="tpu_custom_call"'),
            "exchanged": [found[1] for found in COLLECTIVE.finditer(text)],
        }
    return figures


def compile_apart(argument: str) -> dict:
    """The figures, from a process in which libtpu can be loaded."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        pytest.skip("libtpu, the TPU compiler, is for Linux on x86-64 only")
    if importlib.util.find_spec("libtpu") is None:
        pytest.skip("libtpu is not installed (it is in the extra 'test')")
    result = subprocess.run(
        [sys.executable, __file__, argument],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert result.returncode == 0, result.stderr[-4000:]
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def figures():
    return compile_apart(str(LAYERS))


@pytest.fixture(scope="module")
def deep_figures():
    return compile_apart(str(DEEP))


@pytest.fixture(scope="module")
def branch_figures():
    return compile_apart("branches")


@pytest.fixture(scope="module")
def attention_figures():
    return compile_apart("attention")


def report(mode: str, found: dict) -> None:
    """Prints what `measure` found."""
    parts = ", ".join(
        f"{name} {size / 1e6:.1f} MB"
        for name, size in found["temporaries"].items()
    )
    print(
        f"{mode}: temporaries are {found['ratio']:.1%} of the cache ({parts}), "
        f"the programs {found['program'] / 1e6:.1f} MB, "
        f"together compiled in {found['seconds']} s"
    )


@pytest.mark.parametrize("mode", MODES)
def test_temporaries_are_small_beside_the_cache(figures, mode):
    report(mode, figures[mode])
    assert figures[mode]["cache"] > 2**28
    assert figures[mode]["ratio"] < LIMIT


@pytest.mark.parametrize("mode", DEEP_MODES)
def test_temporaries_stay_small_in_a_deep_model(deep_figures, mode):
    report(mode, deep_figures[mode])
    assert deep_figures[mode]["cache"] > 2**30
    assert deep_figures[mode]["ratio"] < DEEP_LIMIT
    assert deep_figures[mode]["donated"] >= deep_figures[mode]["cache"]


@pytest.mark.parametrize("mode", MODES)
def test_the_cache_is_updated_where_it_lies(figures, mode):
    """All of it is donated, also a stem, which is written and not read."""
    assert figures[mode]["donated"] >= figures[mode]["cache"]


@pytest.mark.parametrize("mode", MODES)
def test_devices_exchange_states_and_never_keys(figures, mode):
    """Keys and values are the arrays of five axes."""
    exchanged = figures[mode]["exchanged"]
    assert exchanged
    arrays = [
        shape.split(",")
        for shapes in exchanged
        for shape in re.findall(r"\[([\d,]*)\]", shapes)
    ]
    assert max(map(len, arrays)) < 5


@pytest.mark.parametrize("mode", MODES)
def test_devices_that_share_branches_exchange_no_keys(mode, branch_figures):
    found = branch_figures[mode]
    print(f"{mode}: {found}")
    assert (found["kernels"] > 0) == (mode == "trunk")
    assert found["temporaries"] < found["cache"]
    arrays = re.findall(r"\[([\d,]*)\]", " ".join(found["exchanged"]))
    assert arrays
    assert max(len(shape.split(",")) for shape in arrays) < 5


@pytest.mark.parametrize("case", ATTENTION)
def test_the_kernel_keeps_logits_out_of_memory(attention_figures, case):
    kernel, xla = (attention_figures[case][x] for x in ("kernel", "xla"))
    print(f"{case}: temporaries, kernel {kernel}, XLA {xla}")
    assert (kernel["kernels"], xla["kernels"]) == (1, 0)
    assert kernel["temporaries"] < LESS * xla["temporaries"]


@pytest.mark.parametrize("case", ATTENTION)
def test_the_kernel_runs_on_what_a_device_has(attention_figures, case):
    assert attention_figures[case]["kernel"]["exchanged"] == 0


if __name__ == "__main__":
    os.environ.update(ENVIRONMENT)  # before JAX is imported
    wanted = sys.argv[1]
    apart = {"attention": measure_attention, "branches": measure_branches}
    print(
        json.dumps(apart[wanted]() if wanted in apart else measure(int(wanted)))
    )
