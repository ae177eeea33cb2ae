"""Tokens a second of a real model, beside its peers, in one table.

    python benchmarks/throughput.py --model=FOLDER [--rows=1,16,64] [--runs=2]
        [--gguf=FILE] [--llama=llama-batched-bench]

Whole chains of one prompt that all have the same length, since nothing ends
them, sampled at temperature 0.8: through the engine in the dtype of the folder;
through `transformers.generate` in float32 and in bfloat16; and, with `--gguf`,
through llama.cpp's own benchmark, the prompt shared. The time is that of the
whole call, the prompt included, once all is compiled; they take turns, and the
best of the runs counts.

The limit is what the products of the weights take at the highest rate that JAX
or torch reaches for so many rows, in float32 or bfloat16. Of one row a CPU is
limited by reading the weights, which this includes.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import pathlib
import platform
import shutil
import subprocess
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import torch
import transformers
from search import best_of, sampled, weights_of

from jaxlrm.config import ModelConfig
from jaxlrm.engine.engine import Engine, Learned
from jaxlrm.models import hf
from jaxlrm.text import Text

PROBLEM = (
    "Janet's ducks lay 16 eggs per day. She eats three for breakfast every "
    "morning and bakes muffins for her friends every day with four. She sells "
    "the remainder at the farmers' market daily for $2 per fresh duck egg. How "
    "much in dollars does she make every day at the farmers' market?"
)
_TURNS = 4  # tokens that the limit is measured over
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def endless(folder: pathlib.Path) -> Text:
    """The model's tokenizer, with nothing that ends a text."""
    text = Text.load(folder)
    text.is_end = np.zeros_like(text.is_end)
    never = text.automaton("none")
    text.automaton = lambda breaks: never
    return text


def ours(engine: Engine, rows: int, new: int) -> Callable[[], object]:
    """A call that writes `new` tokens in each of `rows` chains."""

    def call():
        (solution,) = engine.solve(
            [PROBLEM],
            strategy="majority" if rows > 1 else "greedy",
            branches=rows,
            chain_tokens=new,
            temperature=0.8,
            top_k=0,
            top_p=1.0,
            min_p=0.0,
            verifiers="none",
        )
        if (written := solution.tokens["generator"]) != rows * new:
            raise RuntimeError(f"{written} tokens; wanted {rows * new}")

    return call


def of_transformers(
    model: torch.nn.Module, prompt: Sequence[int], rows: int, new: int
) -> Callable[[], object]:
    """A call of `generate` that does the same."""
    tokens = torch.tensor([prompt])
    settings = sampled(
        temperature=0.8,
        num_return_sequences=rows,
        max_new_tokens=new,
        min_new_tokens=new,
    )

    def call():
        with torch.inference_mode():
            model.generate(tokens, **settings)

    return call


def of_llama(
    program: str, gguf: pathlib.Path, prompt: int, rows: Sequence[int], new: int
) -> dict[int, float]:
    """Tokens a second of llama.cpp, for each number of rows."""
    size = prompt + max(rows) * (new + 1)
    found = subprocess.run(
        [
            *(program, "-m", str(gguf), "-c", str(size), "-b", "2048"),
            *("-npp", str(prompt), "-ntg", str(new), "-pps"),
            *("-npl", ",".join(map(str, rows)), "-t", str(os.cpu_count())),
            *("--output-format", "jsonl"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [x for x in found.stdout.splitlines() if x.startswith("{")]
    return {
        line["pl"]: line["pl"] * new / (line["t_pp"] + line["t_tg"])
        for line in map(json.loads, lines)
    }


def products(config: ModelConfig) -> list[tuple[int, int]]:
    """Sizes in and out of the products that a token goes through."""
    size, inner = config.hidden_size, config.intermediate_size
    heads = config.num_heads + 2 * config.num_kv_heads
    wide = config.num_heads * config.head_dim
    layer = [
        *((size, heads * config.head_dim), (wide, size)),
        *((size, 2 * inner), (inner, size)),
    ]
    return layer * config.num_layers + [(size, config.vocab_size)]


def limit(config: ModelConfig, rows: int, runs: int) -> float:
    """Tokens a second if nothing but the products took time."""
    sizes = products(config)
    times = []
    for dtype in (jnp.float32, jnp.bfloat16):
        weights = [jnp.ones(size, dtype) for size in sizes]
        firsts = {n: jnp.ones((max(rows, 8), n), dtype) for n, _ in set(sizes)}

        @jax.jit
        def repeat(firsts, weights):
            def token(turn, total):
                # Another activation each time, so that no product is reused.
                return total + sum(
                    jax.lax.dot(
                        firsts[weight.shape[0]] * turn.astype(weight.dtype),
                        weight,
                        preferred_element_type=jnp.float32,
                    )[0, 0]
                    for weight in weights
                )

            return jax.lax.fori_loop(0, _TURNS, token, jnp.float32(0))

        call = functools.partial(repeat, firsts, weights)
        jax.block_until_ready(call())
        times += best_of(runs, call)
        del weights
    for dtype in _DTYPES.values():
        weights = [torch.ones(size, dtype=dtype) for size in sizes]
        firsts = {n: torch.ones((rows, n), dtype=dtype) for n, _ in set(sizes)}

        def repeat_torch(firsts=firsts, weights=weights):
            for _ in range(_TURNS):
                for weight in weights:
                    firsts[weight.shape[0]] @ weight

        with torch.inference_mode():
            repeat_torch()
            times += best_of(runs, repeat_torch)
    return _TURNS * rows / min(times)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--rows", default="1,16,64")
    parser.add_argument("--new", type=int, default=64, help="tokens of a chain")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--peers", default=",".join(_DTYPES))
    parser.add_argument("--gguf", type=pathlib.Path)
    parser.add_argument("--llama", default="llama-batched-bench")
    flags = parser.parse_args()
    if flags.gguf and not shutil.which(flags.llama):
        parser.error(f"--llama={flags.llama} is no program on the path")
    rows = [int(number) for number in flags.rows.split(",")]
    transformers.logging.set_verbosity_error()
    text = endless(flags.model)
    config, values = hf.load(flags.model)
    dtype = values.embedding.dtype
    engine = Engine(Learned(config, values), text)
    del values
    prompt = text.encode_prompt(PROBLEM)
    names = [name for name in flags.peers.split(",") if name]
    peers = [
        transformers.AutoModelForCausalLM.from_pretrained(
            flags.model, dtype=_DTYPES[name]
        ).eval()
        for name in names
    ]
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} "
        f"cores, jax {jax.__version__}, torch {torch.__version__}, "
        f"transformers {transformers.__version__}; {flags.model.name}, "
        f"{weights_of(config):,} weights a token, {len(prompt)} tokens of "
        f"prompt, {flags.new} new ones a row\n"
    )
    heads = [f"here, {dtype}", *(f"transformers, {name}" for name in names)]
    print(f"| rows | {' | '.join(heads)} | llama.cpp | limit | share |")
    print("|---" * (len(heads) + 4) + "|")
    llama = {}
    if flags.gguf:
        llama = of_llama(flags.llama, flags.gguf, len(prompt), rows, flags.new)
    with engine:
        for number in rows:
            call = ours(engine, number, flags.new)
            call()  # compiles
            others = [
                of_transformers(peer, prompt, number, flags.new)
                for peer in peers
            ]
            times = best_of(flags.runs, call, *others)
            speeds = [number * flags.new / time for time in times]
            most = limit(config, number, flags.runs)
            cells = [str(number), *(f"{speed:.1f}" for speed in speeds)]
            cells.append(f"{llama[number]:.1f}" if llama else "")
            cells += [f"{most:.0f}", f"{speeds[0] / most:.0%}"]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
