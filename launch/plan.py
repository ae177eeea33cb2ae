"""Says what a search takes of devices that need not be there.

    python -m launch.plan --model=Llama-3.1-8B --device=v5e --mesh=2x4 \\
        --reward=Llama-3.1-8B --branches=256 --price=1.2
    python -m launch.plan --model=Qwen2.5-1.5B --device=laptop:16

A model is a folder, ORG/NAME of the Hugging Face Hub, or the name of a
published shape, which needs no download. The plan has the bytes of each device
for weights, caches and what programs take beside; the largest search that fits,
one setting changed at a time; what the bandwidth and the arithmetic of the
devices allow in tokens a second; and what a thousand problems cost at most.

--topology=v5e:2x4 compiles the round for that machine with the TPU compiler,
which runs anywhere (pip install 'jax[tpu]'), and prints what it says of each
program: arguments, temporaries, code, and what the devices exchange.

Exit code: 0 if the search fits, 1 if not, 2 for bad input or flags.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import sys

from absl import flags

from jaxlrm.config import (
    PARAGRAPH,
    STRATEGIES,
    VERIFIERS,
    WEIGHTS,
    ModelConfig,
    SearchConfig,
)

from . import console, devices, search_flags, shapes
from . import flags as launch_flags

_CHAIN = 1024  # tokens, if the context is long enough
_ENVIRONMENT = {
    "JAX_ENABLE_COMPILATION_CACHE": "false",
    # Or libtpu looks for a TPU, and for other processes that have it.
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-8",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_LOG_DIR": "disabled",
}

_MODEL = flags.DEFINE_string(
    "model",
    "Llama-3.2-1B",
    f"A folder, ORG/NAME of the Hub, or one of {', '.join(shapes.SHAPES)}.",
)
_REWARD = flags.DEFINE_list(
    "reward", [], "Models that score the steps, named likewise."
)
_DTYPE = flags.DEFINE_enum(
    "dtype", "bfloat16", ("bfloat16", "float32"), "Of weights and caches."
)
_WEIGHTS = flags.DEFINE_enum(
    "weights", "", WEIGHTS, "As for solve: of the model that writes."
)
_DEVICE = flags.DEFINE_string(
    "device",
    "",
    f"One of {', '.join(devices.DEVICES)}, or laptop:GB; by default that of "
    "the topology, or else laptop:16.",
)
_MESH = flags.DEFINE_string(
    "mesh",
    "1x1",
    "Devices: DATAxMODEL, problems are shared over DATA of them and the "
    "weights over MODEL.",
)
_TOPOLOGY = flags.DEFINE_string(
    "topology", "", "Compile the round for these TPUs, as v5e:2x4."
)
_PROBLEMS = flags.DEFINE_integer(
    "problems", 64, "How many there are to be solved.", lower_bound=1
)
_PROMPT = flags.DEFINE_integer(
    "prompt_tokens", 256, "Tokens of the longest prompt.", lower_bound=1
)
_PRICE = flags.DEFINE_float(
    "price", None, "Of a device for an hour.", lower_bound=0.0
)
_STRATEGY = flags.DEFINE_string(
    "strategy",
    SearchConfig.strategy,
    f"How to search: {', '.join(STRATEGIES)}, or MODULE:FUNCTION.",
)
_VERIFIERS = flags.DEFINE_enum(
    "verifiers", SearchConfig.verifiers, VERIFIERS, "Which verifiers judge."
)
_CONFIG = search_flags.define_search()


def main(argv: list[str]) -> int:
    """Prints the plan."""
    del argv
    try:
        return _plan()
    except (OSError, ValueError) as error:
        print(console.message(error), file=sys.stderr)
        console.leave(2)
    except KeyboardInterrupt:
        console.leave(130)


def _plan() -> int:
    if _TOPOLOGY.value:
        os.environ.update(_ENVIRONMENT)  # before JAX is imported
    name = _DEVICE.value or _TOPOLOGY.value.partition(":")[0] or "laptop:16"
    device = devices.find(name)
    ways = search_flags.parse_mesh(_MESH.value)
    with console.interruptible():
        import jax.numpy as jnp

        from jaxlrm.engine import binding, fitting, layout, memory
    generator = _read(_MODEL.value)
    generator = dataclasses.replace(generator, weights=_WEIGHTS.value)
    rewards = [
        dataclasses.replace(_read(each), value_head=True)
        for each in _REWARD.value
    ]
    judges = tuple(map(binding.Judge, rewards))
    if not judges and generator.value_head:
        judges = (binding.Judge(None),)
    models = layout.Models(
        generator, judges, jnp.dtype(_DTYPE.value), _mesh(ways), device.platform
    )
    config = _resolve(models, _CONFIG(_STRATEGY.value, _VERIFIERS.value))

    def arrange(config):
        return layout.arrange(
            models,
            config,
            problems=_PROBLEMS.value,
            prompt=_PROMPT.value,
            limited=bool(config.tokens),
        )

    has = int(memory.SHARE * device.memory)
    fitted, search, found = fitting.fit(models, config, arrange, has)
    _show_models(device, models)
    if not found.fits:
        console.write(fitting.refusal(models, config, arrange, found))
    else:
        console.write(str(found))
        most = fitting.most(models, config, arrange, has)
        words = [f"{name}={value:,}" for name, value in most.items()]
        console.write(f"fits as well, one at a time: {', '.join(words)}")
    _show_speed(device, models, search, fitted)
    if _TOPOLOGY.value:
        _compile(models, search)
    return 0 if found.fits else 1


def _read(name: str) -> ModelConfig:
    """The shape of a model.

    Raises:
        FileNotFoundError: there is no such model.
        ValueError: it cannot be read.
    """
    from jaxlrm import files, hub
    from jaxlrm.engine import loading
    from jaxlrm.models import hf_config

    if name in shapes.SHAPES and not pathlib.Path(name).is_dir():
        return hf_config.from_json(shapes.SHAPES[name].to_json(), name)
    if hub.is_id(name) and not pathlib.Path(name).is_dir():
        path = hub.download_config(name)
    else:
        path = loading.find(name) / "config.json"
    return hf_config.from_json(files.read_json(path), str(path))


def _mesh(ways: tuple[int, int]):
    """A mesh: of the topology's devices, or abstract."""
    from jax.experimental import topologies
    from jax.sharding import AbstractMesh, AxisType

    from jaxlrm.models import sharding

    if not _TOPOLOGY.value:
        types = (AxisType.Auto,) * 2
        return AbstractMesh(ways, ("data", "model"), axis_types=types)
    try:
        topology = topologies.get_topology_desc(
            platform="tpu", topology_name=_TOPOLOGY.value
        )
    except Exception as error:  # of many kinds, by what libtpu finds
        raise ValueError(
            f"topology {_TOPOLOGY.value!r}: {error}; name one as v5e:2x4, and "
            "install the TPU compiler: pip install 'jax[tpu]'"
        ) from None
    return sharding.make_mesh(*ways, topology.devices)


def _resolve(models, config: SearchConfig) -> SearchConfig:
    """The search, what it leaves to a model's tokenizer taken as usual."""
    everyone = models.generator, *models.rewards
    context = min(each.max_position_embeddings for each in everyone)
    chain = config.chain_tokens or min(context // 2, _CHAIN)
    verifiers, tools = config.verifiers, config.tools
    if verifiers == "auto":
        verifiers = "both" if models.judges else "symbolic"
    if tools == "auto":
        tools = "python" if config.prompt == "tir" else "none"
    return dataclasses.replace(
        config,
        chain_tokens=chain,
        step_tokens=min(config.step_tokens or PARAGRAPH, chain),
        output_tokens=config.output_tokens or PARAGRAPH // 2,
        verifiers=verifiers,
        tools=tools,
    )


def _show_models(device, models) -> None:
    from jaxlrm.models import params

    everyone = models.generator, *models.rewards
    for name, shape in zip(
        (_MODEL.value, *_REWARD.value), everyone, strict=True
    ):
        number = params.count(shape) / 1e9
        console.write(f"{name}: {number:.2f} billion parameters")
    mesh = models.mesh.shape
    console.write(
        f"{models.mesh.size} x {device.name} ({mesh['data']}x{mesh['model']}), "
        f"each {device.memory / 2**30:.0f} GiB, {device.bandwidth / 1e9:,.0f} "
        f"GB/s, {device.compute / 1e12:,.3g} TFLOP/s"
    )


def _show_speed(device, models, search, config: SearchConfig) -> None:
    """What bandwidth and arithmetic allow, and what it costs at most."""
    from jaxlrm.engine import footprint

    limits = footprint.step(models, search)
    read = limits.read / device.bandwidth
    compute = limits.compute / device.compute
    judged = limits.judged / device.compute
    rate = limits.rows / (max(read, compute) + judged)
    console.write(
        f"a token of {limits.rows:,} rows: {1e3 * read:.2f} ms to read weights "
        f"and cache, {1e3 * compute:.2f} ms of arithmetic, {1e3 * judged:.2f} "
        f"ms of reward models: at most {rate:,.0f} tokens/s"
    )
    tokens = search.strategy.branches * config.chain_tokens
    tokens = min(config.tokens or tokens, tokens)
    hours = 1000 * tokens / rate / 3600 * models.mesh.size
    cost = ""
    if _PRICE.value is not None:
        cost = f", {hours * _PRICE.value:,.2f} at {_PRICE.value:g} an hour"
    console.write(
        f"1,000 problems of {tokens:,} tokens, the most that they may take: "
        f"{hours:,.2f} device hours at that rate{cost}"
    )


def _compile(models, search) -> None:
    """Compiles the programs of a round, and prints what the compiler says."""
    from jaxlrm.engine import lowering, memory
    from jaxlrm.machine import format_bytes

    console.write(f"compiled for {_TOPOLOGY.value}, bytes of each device:")
    arguments, temporaries = 0, 0
    for name, program in lowering.lower(models, search).items():
        measured = lowering.measure(program)
        arguments = max(arguments, measured.arguments)
        temporaries = max(temporaries, measured.temporaries)
        exchanged = ", ".join(
            f"{number} {kind} of {format_bytes(size)}"
            for kind, (number, size) in sorted(measured.collectives.items())
        )
        console.write(
            f"  {name}: arguments {format_bytes(measured.arguments)}, "
            f"temporaries {format_bytes(measured.temporaries)}, code "
            f"{format_bytes(measured.code)}; {exchanged or 'no exchange'}"
        )
    turn = memory.plan(models, search._replace(turns=1), None)
    console.write(
        f"  at most: arguments {format_bytes(arguments)}, planned "
        f"{format_bytes(turn.held)}; temporaries "
        f"{format_bytes(temporaries)}, planned "
        f"{format_bytes(turn.temporaries)}"
    )


def run() -> None:
    """Entry point of the console script."""
    launch_flags.run(main)


if __name__ == "__main__":
    run()
