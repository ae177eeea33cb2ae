"""Scripts that a fake model writes, and the searches of them."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from jaxlrm.engine.binding import Prompts
from jaxlrm.engine.callback import Callback
from jaxlrm.limits import Limits
from jaxlrm.models import sharding
from jaxlrm.search import base, lockstep, loop, tree
from jaxlrm.search.base import Strategy
from jaxlrm.testing.tiny import text
from jaxlrm.verify.verdict import Verdict

# Sizes are rounded up, so that most scripts share their compiled programs.
_PLACES, _FANOUT = 64, 8
_FREED = -1  # in place of the memory of a node that was let go
_MARKS = {
    tree.STEP: "",
    tree.OPEN: " ..",
    tree.ANSWER: " END",
}


@dataclasses.dataclass(frozen=True)
class Step:
    """A step that the fake model writes.

    Attributes:
        text: without the delimiter; what the tokenizer of `text` can write.
        score: the learned verifier's.
        then: what may follow; without anything the step is repeated for ever.
        kind: `tree.STEP`, `tree.OPEN` or `tree.ANSWER`.
        verdict: the symbolic verifier's; the same for the same text.
    """

    text: str
    score: float = 0.5
    then: tuple[Step, ...] = ()
    kind: int = tree.STEP
    verdict: Verdict = Verdict.UNKNOWN


def step(
    words: str,
    score: float = 0.5,
    *then: Step,
    verdict: Verdict = Verdict.UNKNOWN,
) -> Step:
    """A step that ends with the delimiter."""
    return Step(words, score, then, tree.STEP, verdict)


def cut(words: str, score: float = 0.5, *then: Step) -> Step:
    """A step that the limit cut: the next one goes on with it."""
    return Step(words, score, then, tree.OPEN)


def answer(
    words: str, score: float = 0.5, *, verdict: Verdict = Verdict.UNKNOWN
) -> Step:
    """The last step of a chain."""
    return Step(words, score, (), tree.ANSWER, verdict)


Script = Sequence[Step]


class Lines(NamedTuple):
    """Scripts as arrays over their `M` places; a place is a step written.

    The first places are the problems themselves.

    Attributes:
        tokens: `[M, S] int32`.
        length: `[M] int32`.
        kind: `[M] int32`.
        score: `[M] float32`.
        number: `[M] int32`, of steps that may follow.
        follow: `[M, F] int32`, their places.
    """

    tokens: jax.Array
    length: jax.Array
    kind: jax.Array
    score: jax.Array
    number: jax.Array
    follow: jax.Array


@struct.dataclass
class Memory:
    """The fake's cache: which place of the script it has come to.

    Attributes:
        node: `[G, N] int32`, of each kept step.
        twig: `[G, B] int32`, of each branch.
    """

    node: jax.Array
    twig: jax.Array


def compile_scripts(scripts: Sequence[Script], step_tokens: int) -> Lines:
    """The weights of a fake model that writes these scripts.

    Raises:
        ValueError: a step is longer than `step_tokens`.
    """
    places: list[Step | None] = [None] * len(scripts)
    follow: list[list[int]] = [[] for _ in scripts]

    def add(found: Step) -> int:
        place = len(places)
        places.append(found)
        follow.append([])
        follow[place] = [add(child) for child in found.then] or [place]
        return place

    for root, script in enumerate(scripts):
        follow[root] = [add(child) for child in script]
    spare = -len(places) % _PLACES
    places += [None] * spare
    follow += [[]] * spare
    tokens = np.zeros((len(places), step_tokens), np.int32)
    length = np.zeros(len(places), np.int32)
    for place, found in enumerate(places):
        ids = [] if found is None else _encode(found)
        if len(ids) > step_tokens:
            raise ValueError(
                f"step {found.text!r} has {len(ids)} tokens with its end; "
                f"step_tokens is {step_tokens}"
            )
        tokens[place, : len(ids)] = ids
        length[place] = len(ids)
    widest = max(map(len, follow))
    table = np.zeros((len(places), widest + -widest % _FANOUT), np.int32)
    for place, children in enumerate(follow):
        table[place, : len(children)] = children
    return Lines(
        jnp.asarray(tokens),
        jnp.asarray(length),
        jnp.array([s.kind if s else tree.STEP for s in places], jnp.int32),
        jnp.array([s.score if s else 0.0 for s in places], jnp.float32),
        jnp.array([len(children) for children in follow], jnp.int32),
        jnp.asarray(table),
    )


def scripted_model(
    slots: int,
    branches: int,
    *,
    sampled: bool = False,
    chunk: int = 0,
) -> base.Model:
    """A fake that writes scripts; its weights are those of `compile_scripts`.

    What it writes depends on the leaf's path and on the row's number among the
    leaf's children: child `i` writes what the script has at place `i`, from the
    start again after the last. It knows the number from the row's key, so it
    checks the keys as well: one that is no child's of the leaf writes nothing.
    So does a row that extends a node which was let go.

    Args:
        slots: `G`.
        branches: `R`.
        sampled: draw what to write from the row's key instead.
        chunk: tokens that a row writes in a round; 0 is any number.
    """

    def allocate(nodes: int) -> Memory:
        return Memory(
            jnp.full((slots, nodes), _FREED, jnp.int32),
            jnp.full((slots, branches), _FREED, jnp.int32),
        )

    def prefill(weights: Lines, prompts: Prompts):
        return ()

    def start(memory: Memory, prefilled, prompts: Prompts, mask):
        root = jnp.where(mask, prompts.tokens[:, 0], memory.node[:, 0])
        fresh = jnp.where(mask[:, None], _FREED, memory.node)
        return memory.replace(node=fresh.at[:, 0].set(root))

    def write(weights: Lines, memory: Memory, trees, twigs, seen):
        place = _at(memory.node, twigs.leaf)
        number = weights.number[place]
        if sampled:
            draw = jax.vmap(jax.vmap(lambda key: jax.random.bits(key)))
            known = jnp.ones(twigs.leaf.shape, bool)
            drawn = draw(twigs.key) % number.astype(jnp.uint32)
            chosen = drawn.astype(jnp.int32)
        else:
            parents = _at(trees.key, twigs.leaf)
            ordinal, known = _ordinals(parents, twigs.key)
            chosen = ordinal % number
        place = jnp.where(
            (place != _FREED) & known, weights.follow[place, chosen], _FREED
        )
        whole = jnp.where(place == _FREED, 0, weights.length[place])
        active = twigs.writing
        length = whole
        if chunk:
            length = jnp.minimum(twigs.length + chunk, whole)
        ended = active & (length >= whole)
        twigs = twigs.replace(
            tokens=jnp.where(
                active[..., None], weights.tokens[place], twigs.tokens
            ),
            length=jnp.where(active, length, twigs.length),
            kind=jnp.where(ended, weights.kind[place], twigs.kind),
        )
        twig = jnp.where(active, place, memory.twig)
        return memory.replace(twig=twig), twigs, length.max()

    def score(weights: Lines, memory: Memory, trees, twigs, which):
        value = weights.score[memory.twig]
        return memory, jax.scipy.special.logit(value), jnp.zeros_like(value)

    def commit(memory: Memory, trees: tree.Tree, twigs):
        nodes = twigs.node
        size = memory.node.shape[1]
        rows = jnp.arange(slots)[:, None]
        target = jnp.where(nodes >= 0, nodes, size)
        node = memory.node.at[rows, target].set(memory.twig, mode="drop")
        alive = jax.vmap(tree.has_live_descendant)(trees)
        return memory.replace(node=jnp.where(alive, node, _FREED)), trees

    def _ordinals(parents, keys):
        numbers = jnp.arange(16 * branches)  # more than one has in a test
        fold = jax.vmap(jax.random.fold_in, (None, 0))
        children = jax.vmap(jax.vmap(lambda key: fold(key, numbers)))(parents)
        data = jax.random.key_data
        same = (data(children) == data(keys)[:, :, None]).all(-1)
        return same.argmax(-1), same.any(-1)

    return base.Model(
        allocate,
        prefill,
        start,
        commit,
        write,
        score,
        branches,
        seen=(sys.maxsize,),  # it looks back as far as need be
    )


_at = jax.vmap(tree.at)


class Found(NamedTuple):
    """What a search made of scripts.

    Attributes:
        trees: the kept tree of each problem as text, see `outline`.
        rounds: what the host saw, round by round.
    """

    trees: list[str]
    rounds: list[base.Round]


def run_scripts(
    strategy: Strategy,
    scripts: Sequence[Script],
    *,
    slots: int | None = None,
    seed: int = 0,
    keys: Sequence[jax.Array] | None = None,
    sampled: bool = False,
    verify: Callable[[base.Round], np.ndarray] | None = None,
    fused: bool = False,
    lanes: int = 1,
    limits: Sequence[Limits] | None = None,
    shares: int = 1,
    rows: int = 0,
    chunk: int = 0,
) -> Found:
    """Searches scripts as the engine searches problems.

    Args:
        strategy: the loop.
        scripts: one a problem.
        slots: `G`; by default one for each problem.
        seed: of the root keys.
        keys: the root keys, instead.
        sampled: see `scripted_model`.
        verify: instead of the verdicts that the scripts name.
        fused: whether the search is one program.
        lanes: groups of slots that take turns.
        limits: of each problem; by default the strategy's.
        shares: parts of the slots whose prompts are read together.
        rows: `R`; by default one for each branch.
        chunk: tokens that a row writes in a round; 0 is any number.
    """
    slots = slots or len(scripts)
    start, programs, callback = _programs(
        strategy, slots, sampled, fused, rows or strategy.branches, chunk
    )
    verify = verify or verdicts_of(scripts)
    asked = []

    def ask(happened: base.Round) -> base.Reply:
        asked.append(happened)
        rows = happened.twigs.leaf.shape[1]
        reply = base.no_reply(slots, rows, strategy.output_tokens)
        return reply._replace(verdict=verify(happened))

    callback.serve(ask)
    if keys is None:
        root = jax.random.key(seed)
        keys = [jax.random.fold_in(root, i) for i in range(len(scripts))]

    limits = limits or [strategy.limits] * len(scripts)

    def stack(rows: Sequence[int]) -> Prompts:
        tokens = np.array(rows, np.int32)[:, None]
        return Prompts(tokens, np.ones(len(rows), np.int32))

    rounds = loop.run(
        programs,
        compile_scripts(scripts, strategy.step_tokens),
        [start() for _ in range(lanes)],
        list(zip(range(len(scripts)), keys, limits, strict=True)),
        stack,
        ask,
        shares=shares,
    )
    trees: dict[int, str] = {}
    for happened, lane in rounds:
        if callback.failure is not None:
            raise callback.failure
        for row in np.flatnonzero(happened.finished):
            number = int(happened.problems[row])
            if number >= 0:
                trees[number] = outline(lane.state.tree, row)
    return Found([trees[number] for number in range(len(scripts))], asked)


@functools.lru_cache(maxsize=64)
def _programs(
    strategy: Strategy,
    slots: int,
    sampled: bool,
    fused: bool,
    rows: int,
    chunk: int,
):
    model = scripted_model(slots, rows, sampled=sampled, chunk=chunk)
    start = functools.partial(lockstep.initial, model, strategy, slots)
    callback = Callback(sharding.make_mesh(), strategy)
    programs = lockstep.compile_rounds(
        model, strategy, ask=callback if fused else None
    )
    return jax.jit(start), programs, callback


def verdicts_of(
    scripts: Sequence[Script],
) -> Callable[[base.Round], np.ndarray]:
    """The symbolic verifier of scripts: it knows the verdict of each text.

    Raises:
        ValueError: the scripts give one text two verdicts.
    """
    known: dict[str, Verdict] = {}
    waiting = [found for script in scripts for found in script]
    while waiting:
        found = waiting.pop()
        waiting += found.then
        if known.setdefault(found.text, found.verdict) is not found.verdict:
            raise ValueError(
                f"step {found.text!r} has verdicts {found.verdict.name} and "
                f"{known[found.text].name}; one text has one"
            )

    def verify(seen: base.Round) -> np.ndarray:
        twigs = seen.twigs
        verdicts = np.zeros(twigs.leaf.shape, np.int32)
        ended = (twigs.leaf >= 0) & (twigs.kind != tree.WRITING)
        for row, branch in np.argwhere(ended):
            length = int(twigs.length[row, branch])
            tokens = twigs.tokens[row, branch, :length]
            verdicts[row, branch] = known[text().decode_step(tokens)]
        return verdicts

    return verify


def outline(trees: tree.Tree, row: int = 0) -> str:
    """One problem's kept tree as text.

    A line a node, children below their parent and indented: its number, its
    text (with `END` for an answer, `..` for a step that was cut), its score,
    how many branches wrote it if not one, the verdict if not UNKNOWN:

        1 a 0.9 x2
          3 a1 END 0.8 VALID
        2 b 0.2
    """
    fields = trees.replace(key=None)
    one = jax.tree.map(lambda x: np.asarray(x)[row], fields)
    size = int(one.size)
    lines = []

    def write(node: int) -> None:
        if node:
            words = text().decode_step(one.tokens[node, : one.length[node]])
            line = f"{node} {words}{_MARKS[int(one.kind[node])]}"
            line += f" {one.score[node]:.4g}"
            if one.count[node] != 1:
                line += f" x{one.count[node]}"
            if one.verdict[node]:
                line += f" {Verdict(int(one.verdict[node])).name}"
            lines.append("  " * (int(one.depth[node]) - 1) + line)
        for child in range(node + 1, size):
            if one.parent[child] == node:
                write(child)

    write(0)
    return "\n".join(lines)


def _encode(found: Step) -> list[int]:
    ids = text().encode(found.text)
    if found.kind == tree.STEP:
        return [*ids, *text().encode(text().step)]
    return [*ids, text().end[0]] if found.kind == tree.ANSWER else ids
