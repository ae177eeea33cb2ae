"""Speed and memory of the search beside its peers, in one table.

    python benchmarks/search.py [--parts=decode,beam,cache,tree] [--runs=2]
        [--devices=N]

decode: whole chains through the engine, symbolic verifiers off, beside
    `transformers.generate` on the same prompt and weights.
beam: beam search by a reward model, beside the same algorithm written over
    `transformers`, with a prefix cache for its generator and every chain
    scored anew from its first token.
cache: keys and values of a beam in live buffers, beside one dense cache a
    branch.
tree: a Monte-Carlo tree search beside `mctx`, with a model that computes
    nothing, after a check that both visit the same nodes.

On a CPU `--devices` of JAX share the branches of decode and beam; by default
there is one for each core, up to 16. With a GPU that PyTorch sees, too, the
peers run there, `generate` with a static cache.

All of them run in float32 with a random model of 5M parameters (the shape of
Qwen2) that never ends a step or a chain. The time is that of the whole call,
the prompt included; peers take turns, and the best of the runs counts. The
limit is what the products of the weights and of the shared keys take at the
highest rate that JAX or torch reaches for as many rows, and reading all other
keys and values once a token at the highest bandwidth that they reach.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import mctx
import numpy as np
import torch
import transformers

from jaxlrm.config import ModelConfig, SearchConfig
from jaxlrm.engine.binding import Prompts
from jaxlrm.engine.engine import Engine, Learned
from jaxlrm.models import hf, params, sharding
from jaxlrm.search import base, lockstep, strategies, tree
from jaxlrm.text import Text, train_tokenizer

MODEL = ModelConfig(
    vocab_size=2048,
    hidden_size=256,
    num_layers=6,
    num_heads=8,
    num_kv_heads=4,
    head_dim=32,
    intermediate_size=704,
    rope_theta=1e6,
    attention_bias=True,
)


class Beam(NamedTuple):
    """Sizes of a beam search."""

    branches: int
    width: int
    rounds: int
    step: int

    def config(self, **changes) -> SearchConfig:
        """The search that runs all of its rounds."""
        return SearchConfig(
            strategy="beam",
            branches=self.branches,
            width=self.width,
            rounds=self.rounds,
            step_tokens=self.step,
            chain_tokens=self.rounds * self.step,
            **{"verifiers": "learned", **changes},
        )


class Sizes(NamedTuple):
    """Sizes of all parts; the defaults are those of the table."""

    model: ModelConfig = MODEL
    prompt: int = 128
    new: int = 128
    branches: tuple[int, ...] = (16, 64, 256)
    beam: Beam = Beam(branches=64, width=4, rounds=16, step=32)
    cache: Beam = Beam(branches=256, width=4, rounds=12, step=32)
    problems: tuple[int, ...] = (1, 16)
    simulations: int = 128
    actions: int = 4
    devices: int = 1


class Row(NamedTuple):
    """A line of the table.

    Attributes:
        what: is measured.
        ours: of this package.
        peer: of the peer.
        ratio: how many times better ours is.
        limit: that the hardware sets.
        share: of the limit that ours reaches.
    """

    what: str
    ours: str
    peer: str
    ratio: str
    limit: str = ""
    share: str = ""


def endless() -> Text:
    """A tokenizer of single characters in which nothing ends a text."""
    text = train_tokenizer([], 128)
    nothing = np.zeros(text.vocab_size, bool)
    text.prompt, text.is_end = "{problem}", nothing
    never = text.automaton("none")
    text.automaton = lambda breaks: never
    return text


def seconds(call: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start


def best_of(runs: int, *calls: Callable[[], object]) -> list[float]:
    """Least wall time of each call; they take turns."""
    times = [[seconds(call) for call in calls] for _ in range(runs)]
    return [min(column) for column in zip(*times, strict=True)]


# --- Models -------------------------------------------------------------------


def draw(config: ModelConfig, seed: int) -> Learned:
    """A random model; its value head is random too, so that scores differ."""
    values = params.init(config, jax.random.key(seed))
    if config.value_head:
        kernel = jax.random.normal(jax.random.key(seed), (config.hidden_size,))
        head = values.value_head.replace(kernel=kernel)
        values = values.replace(value_head=head)
    return Learned(config, jax.device_get(values))


def for_transformers(learned: Learned) -> torch.nn.Module:
    """The same model in `transformers`."""
    with tempfile.TemporaryDirectory() as folder:
        hf.save(folder, learned.config, learned.params)
        if learned.config.value_head:
            kind = transformers.AutoModelForTokenClassification
            options = {"num_labels": 1}
        else:
            kind, options = transformers.AutoModelForCausalLM, {}
        model = kind.from_pretrained(folder, dtype=torch.float32, **options)
    return model.eval().to(_place())


def _place() -> str:
    """The device of PyTorch that is the same machine as that of JAX."""
    return "cuda" if jax.default_backend() == "gpu" else "cpu"


def sampled(**changes) -> dict:
    """Settings of `generate`: plain sampling from the whole vocabulary."""
    return {
        "do_sample": True,
        "temperature": 1.0,
        "top_k": 0,
        "top_p": 1.0,
        "eos_token_id": None,
        "pad_token_id": 0,
        **changes,
    }


# --- The limit ----------------------------------------------------------------


def _tensor(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x).to(_place())


def product_rate(config: ModelConfig, rows: int, runs: int) -> float:
    """Operations a second of the products of that many rows.

    Those of the feed-forward weights of all layers, one after another.
    """
    size, inner = config.hidden_size, config.intermediate_size
    weights = [
        (np.full((size, inner), 1 / inner), np.full((inner, size), 1 / size))
        for _ in range(config.num_layers)
    ]
    weights = [(a.astype(np.float32), b.astype(np.float32)) for a, b in weights]
    turns = 50
    first = np.ones((rows, size), np.float32)

    def chain(x, weights):
        for up, down in weights:
            x = (x @ up) @ down
        return x

    @jax.jit
    def repeat(x, weights):
        return jax.lax.fori_loop(0, turns, lambda _, x: chain(x, weights), x)

    def repeat_torch(x, weights):
        for _ in range(turns):
            x = chain(x, weights)
        return x

    placed = jax.tree.map(jnp.asarray, (first, weights))
    tensors = jax.tree.map(_tensor, (first, weights))
    jax.block_until_ready(repeat(*placed))
    with torch.inference_mode():
        times = best_of(
            runs,
            functools.partial(repeat, *placed),
            lambda: bool(repeat_torch(*tensors)[0, 0] > 0),
        )
    operations = 2 * 2 * rows * size * inner * config.num_layers * turns
    return operations / min(times)


def bandwidth(size: int, runs: int) -> float:
    """Bytes a second at which that many bytes are read again and again."""
    x = np.ones((max(size // 4096, 1), 1024), np.float32)
    turns = 4
    placed, tensor = jnp.asarray(x), _tensor(x)
    add = jax.jit(lambda x: x.sum(-1))
    jax.block_until_ready(add(placed))
    times = best_of(
        runs,
        lambda: [add(placed) for _ in range(turns)],
        lambda: [bool(tensor.sum() > 0) for _ in range(turns)],
    )
    return turns * x.nbytes / min(times)


class Work(NamedTuple):
    """What a call has to do at the least.

    Attributes:
        operations: of its products, additions and multiplications.
        bytes: of keys and values that it reads.
        largest: bytes of keys and values that it reads for a token at most.
    """

    operations: float
    bytes: float
    largest: float


def work(
    config: ModelConfig,
    branches: int,
    steps: int,
    *,
    shared: int,
    groups: int = 1,
    own: int = 0,
    chained: bool = True,
) -> Work:
    """Writing `steps` tokens in each branch.

    Args:
        config: shape of the model.
        branches: `B`.
        steps: tokens of each.
        shared: tokens that all branches have before them.
        groups: of branches that have further tokens before them.
        own: so many, in each group.
        chained: whether each token waits for the one before it, so that all
            keys and values are read for each.
    """
    tokens = branches * steps
    slot = 2 * config.num_layers * config.num_kv_heads * config.head_dim * 4
    pair = 4 * config.num_layers * config.num_heads * config.head_dim
    operations = 2 * weights_of(config) * tokens + pair * shared * tokens
    read = shared + groups * own
    if not chained:
        return Work(operations, slot * read, slot * read)
    bytes_read = steps * read + branches * steps * (steps + 1) / 2
    return Work(operations, slot * bytes_read, slot * (read + tokens))


def weights_of(config: ModelConfig) -> int:
    """Parameters that a token is multiplied with, the unembedding's too."""
    unembedding = config.vocab_size * config.hidden_size
    return params.count(config, embeddings=False) + unembedding


# --- decode -------------------------------------------------------------------


def decode(sizes: Sizes, runs: int) -> Iterator[Row]:
    """Tokens a second of whole chains."""
    learned = draw(sizes.model, seed=0)
    peer = for_transformers(learned)
    text = endless()
    problem = "x" * sizes.prompt
    prompt = torch.tensor([text.encode_prompt(problem)], device=_place())
    static = {"cache_implementation": "static"} if _place() == "cuda" else {}
    prompt_rate = product_rate(sizes.model, sizes.prompt, runs)
    mesh = sharding.make_mesh(sizes.devices)
    with Engine(learned, text, mesh=mesh) as engine:
        for branches in sizes.branches:

            def ours(branches=branches):
                (solution,) = engine.solve(
                    [problem],
                    strategy="majority",
                    verifiers="none",
                    branches=branches,
                    chain_tokens=sizes.new,
                    step_tokens=sizes.new,
                )
                assert solution.tokens["generator"] == branches * sizes.new

            def theirs(branches=branches, new=sizes.new):
                with torch.inference_mode():
                    rows = prompt.expand(branches, -1)
                    found = peer.generate(
                        rows,
                        attention_mask=torch.ones_like(rows),
                        **sampled(max_new_tokens=new, **static),
                    ).cpu()  # waits for it
                assert found.shape[1] == sizes.prompt + new

            ours()
            theirs(new=2)
            mine, other = best_of(runs, ours, theirs)
            rate = product_rate(sizes.model, branches, runs)
            writing = work(
                sizes.model, branches, sizes.new, shared=sizes.prompt
            )
            speed = bandwidth(int(writing.largest), runs)
            reading = work(
                sizes.model, 1, sizes.prompt, shared=0, chained=False
            )
            least = writing.operations / rate + writing.bytes / speed
            least += reading.operations / prompt_rate
            tokens = branches * sizes.new
            yield Row(
                f"decoding, {branches} branches, tokens/s",
                f"{tokens / mine:,.0f}",
                f"{tokens / other:,.0f} (transformers)",
                f"{other / mine:.1f}",
                f"{tokens / least:,.0f} ({rate / 1e9:.0f} GFLOP/s, "
                f"{speed / 1e9:.0f} GB/s)",
                f"{least / mine:.0%}",
            )


# --- beam ---------------------------------------------------------------------


def beam(sizes: Sizes, runs: int) -> Iterator[Row]:
    """Seconds of a beam search by a reward model."""
    size = sizes.beam
    learned = draw(sizes.model, seed=0)
    shape = dataclasses.replace(sizes.model, value_head=True)
    reward = draw(shape, seed=1)
    generator, judge = for_transformers(learned), for_transformers(reward)
    text = endless()
    problem = "x" * sizes.prompt
    prompt = torch.tensor([text.encode_prompt(problem)], device=_place())
    tokens = size.branches * size.rounds * size.step
    mesh = sharding.make_mesh(sizes.devices)
    with Engine(learned, text, rewards=[reward], mesh=mesh) as engine:

        def ours(verifiers="learned"):
            (solution,) = engine.solve(
                [problem], size.config(verifiers=verifiers)
            )
            read = tokens if verifiers == "learned" else 0
            assert solution.tokens == {"generator": tokens, "verifier": read}

        unscored = functools.partial(ours, verifiers="none")

        def theirs(rounds=size.rounds):
            with torch.inference_mode():
                found, _ = beam_over_transformers(
                    generator, judge, prompt, size._replace(rounds=rounds)
                )
            assert found.shape[1] == sizes.prompt + rounds * size.step

        ours()
        unscored()
        theirs(rounds=1)
        whole, decoding, other = best_of(runs, ours, unscored, theirs)
    rate = product_rate(sizes.model, size.branches, runs)
    parallel = product_rate(shape, size.branches * size.step, runs)
    groups = size.branches // size.width
    written = judged = 0.0
    for number in range(size.rounds):
        before = {
            "shared": sizes.prompt,
            "groups": groups,
            "own": number * size.step,
        }
        writing = work(sizes.model, size.branches, size.step, **before)
        judging = work(shape, size.branches, size.step, chained=False, **before)
        speed = bandwidth(int(writing.largest), 1)
        written += writing.operations / rate + writing.bytes / speed
        judged += judging.operations / parallel + judging.bytes / speed
    name = (
        f"{size.branches} branches, {size.rounds} rounds of {size.step} tokens"
    )
    yield Row(
        f"beam by a reward model, {name}, s",
        f"{whole:.2f}",
        f"{other:.2f} (transformers)",
        f"{other / whole:.1f}",
        f"{written + judged:.2f}",
        f"{(written + judged) / whole:.0%}",
    )
    yield Row(
        f"its decoding alone, {name}, tokens/s",
        f"{tokens / decoding:,.0f}",
        "",
        "",
        f"{tokens / written:,.0f}",
        f"{written / decoding:.0%}",
    )


def beam_over_transformers(generator, judge, prompt, size: Beam):
    """The same search over `transformers`.

    Args:
        generator: a causal model.
        judge: a token classifier of one label, the logit of a chain so far.
        prompt: `[1, Q]`.
        size: of the search.

    Returns:
        The last chains `[B, tokens]` and their scores `[B]`.
    """
    rows, cache = prompt.expand(size.branches, -1), None
    for number in range(size.rounds):
        written = generator.generate(
            rows,
            attention_mask=torch.ones_like(rows),
            past_key_values=cache,
            return_dict_in_generate=True,
            **sampled(max_new_tokens=size.step),
        )
        rows, cache = written.sequences, written.past_key_values
        scores = judge(rows, use_cache=False).logits[:, -1, 0].sigmoid()
        if number + 1 < size.rounds:
            kept = scores.topk(size.branches // size.width).indices
            kept = kept.repeat_interleave(size.width)
            rows = rows[kept]
            cache.batch_select_indices(kept)
    return rows.cpu(), scores.cpu()  # waits for them


# --- cache --------------------------------------------------------------------


def cache(sizes: Sizes, runs: int) -> Iterator[Row]:
    """Bytes of keys and values in live buffers, at their most."""
    del runs
    size = sizes.cache
    shape = dataclasses.replace(sizes.model, value_head=True)
    slot = 2 * shape.num_layers * shape.num_kv_heads * shape.head_dim * 4
    dense = size.branches * (sizes.prompt + size.rounds * size.step) * slot
    others = jax.live_arrays()  # held, or a new array could have their id
    other = set(map(id, others))
    allocated = []

    def measure(progress):
        del progress  # keys and values alone have five axes
        live = [x for x in jax.live_arrays() if x.ndim == 5]
        allocated.append(sum(x.nbytes for x in live if id(x) not in other))

    with Engine(draw(shape, seed=0), endless()) as engine:
        (solution,) = engine.solve(
            ["x" * sizes.prompt], size.config(), progress=measure
        )
    twigs = size.branches * size.step
    occupied = sizes.prompt + solution.cache["peak_slots"] + twigs
    for name, ours in (
        ("allocated", max(allocated)),
        ("occupied", occupied * slot),
    ):
        yield Row(
            f"keys and values {name}, {size.branches} branches, "
            f"{size.rounds} rounds of {size.step} tokens, MB",
            f"{ours / 1e6:.1f}",
            f"{dense / 1e6:.1f} (dense)",
            f"{dense / ours:.1f}",
            share=f"{ours / dense:.3f} of dense",
        )


# --- tree ---------------------------------------------------------------------


def logit_of(places: jax.Array) -> jax.Array:
    """A logit in (-3, 3) for each place of an endless tree."""
    mixed = places.astype(jnp.uint32) * jnp.uint32(2654435761)
    mixed = (mixed ^ (mixed >> 15)) * jnp.uint32(2246822519)
    return (mixed >> 8).astype(jnp.float32) / 2**24 * 6 - 3


def value_of(places: jax.Array) -> jax.Array:
    """The value of each place, as the search makes it of its logit."""
    return jax.nn.sigmoid(logit_of(places))


def stub(problems: int, actions: int) -> base.Model:
    """A model whose memory is the place of each node, as in a heap."""

    def allocate(nodes: int):
        places = jnp.zeros((problems, nodes), jnp.int32)
        return places, jnp.zeros((problems, actions), jnp.int32)

    def prefill(weights, prompts):
        return ()

    def start(memory, prefilled, prompts, mask):
        return memory

    def commit(memory, trees, twigs):
        places, child = memory
        return (jax.vmap(tree.put)(places, twigs.node, child), child), trees

    def write(weights, memory, trees, twigs, seen):
        del weights, trees, seen
        places, _ = memory
        branch = jnp.arange(actions)
        child = actions * jax.vmap(tree.at)(places, twigs.leaf) + 1 + branch
        twigs = twigs.replace(
            tokens=jnp.broadcast_to(branch[:, None], twigs.tokens.shape),
            length=jnp.ones_like(twigs.length),
            kind=jnp.full_like(twigs.kind, tree.STEP),
        )
        return (places, child), twigs, jnp.ones((), jnp.int32)

    def score(weights, memory, trees, twigs, which):
        del weights, trees, twigs, which
        logit = logit_of(memory[1])
        return memory, logit, jnp.zeros_like(logit)

    return base.Model(allocate, prefill, start, commit, write, score, actions)


def our_search(problems: int, simulations: int, actions: int):
    """`seed -> visits [G, A]` of the root's children."""
    strategy = strategies.build(
        SearchConfig(
            strategy="mcts",
            branches=actions,
            width=actions,
            step_tokens=1,
            chain_tokens=2 * simulations,
            rounds=simulations + 1,
            verifiers="learned",
        )
    )
    model = stub(problems, actions)
    silence = jax.tree.map(jnp.asarray, base.no_reply(problems, actions))
    programs = lockstep.compile_rounds(model, strategy, ask=lambda _: silence)
    start = jax.jit(
        functools.partial(lockstep.initial, model, strategy, problems)
    )
    prompts = Prompts(
        np.zeros((problems, 1), np.int32), np.ones(problems, np.int32)
    )
    everything = np.ones(problems, bool)

    def run(seed: int) -> jax.Array:
        keys = jax.random.split(jax.random.key(seed), problems)
        limits = strategy.limits.spread(problems)
        state = programs.load((), start(), prompts, keys, limits, everything)
        numbers = np.arange(problems, dtype=np.int32)
        state = programs.finish(state, (), numbers)
        return state.tree.visits[:, 1 : actions + 1]

    return run


def search_of_mctx(problems: int, simulations: int, actions: int, transform):
    """The same by `mctx`, with a transform of its values."""

    def recurrent(weights, key, action, places):
        del weights, key
        child = actions * places + 1 + action
        output = mctx.RecurrentFnOutput(
            reward=jnp.zeros(places.shape),
            discount=jnp.ones(places.shape),
            prior_logits=jnp.zeros((*places.shape, actions)),
            value=value_of(child),
        )
        return output, child

    @jax.jit
    def run(seed: int) -> jax.Array:
        root = mctx.RootFnOutput(
            prior_logits=jnp.zeros((problems, actions)),
            value=jnp.zeros(problems),
            embedding=jnp.zeros(problems, jnp.int32),
        )
        found = mctx.muzero_policy(
            None,
            jax.random.key(seed),
            root,
            recurrent,
            num_simulations=simulations,
            dirichlet_fraction=0.0,
            **({"qtransform": transform} if transform else {}),
        )
        return found.search_tree.children_visits[:, 0]

    return run


def tree_overhead(sizes: Sizes, runs: int) -> Iterator[Row]:
    """Microseconds a simulation, all problems together."""
    actions, simulations = sizes.actions, sizes.simulations

    def own_score_first(trees, index):
        """As here: the value of a child that was not visited is its score."""
        child = actions * trees.embeddings[index] + 1 + jnp.arange(actions)
        visited = trees.children_visits[index] > 0
        return jnp.where(visited, trees.qvalues(index), value_of(child))

    for problems in sizes.problems:
        shape = (problems, simulations, actions)
        ours = our_search(*shape)
        same = search_of_mctx(*shape, own_score_first)
        plain = search_of_mctx(*shape, None)
        np.testing.assert_array_equal(ours(0), same(0))
        plain(0)
        calls = [functools.partial(run, 0) for run in (ours, same, plain)]
        mine, *others = (
            1e6 * t / simulations for t in best_of(5 * runs, *calls)
        )
        yield Row(
            f"tree, {problems} problem{'s' * (problems > 1)}, {simulations} "
            f"simulations of {actions} actions, µs each",
            f"{mine:.0f}",
            f"{others[0]:.0f} (mctx; {others[1]:.0f} with its own transform)",
            f"{min(others) / mine:.2f}",
        )


PARTS = {"decode": decode, "beam": beam, "cache": cache, "tree": tree_overhead}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--runs", type=int, default=2)
    cores = os.cpu_count() or 1
    parser.add_argument(
        "--devices", type=int, default=min(16, 1 << cores.bit_length() - 1)
    )
    arguments = parser.parse_args()
    names = arguments.parts.split(",")
    if unknown := set(names) - set(PARTS):
        parser.error(
            f"--parts: {', '.join(sorted(unknown))} unknown; choose among "
            f"{', '.join(PARTS)}"
        )
    jax.config.update("jax_num_cpu_devices", arguments.devices)
    sizes = Sizes(devices=len(jax.devices()[: arguments.devices]))
    transformers.logging.set_verbosity_error()
    torch.backends.cuda.matmul.allow_tf32 = True  # as JAX does
    print(
        f"{cores} cores, {sizes.devices} devices ({jax.default_backend()}), "
        f"jax {jax.__version__}, torch ({_place()}) "
        f"{torch.__version__}, transformers {transformers.__version__}, "
        f"{params.count(MODEL):,} parameters\n"
    )
    print("| what | here | peer | times | limit | share |")
    print("|---|---|---|---|---|---|")
    for name in names:
        for row in PARTS[name](sizes, arguments.runs):
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
