"""Decodes one step in every branch, in lockstep, to the step delimiter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from jaxlrm.config import ModelConfig
from jaxlrm.models.cache import Context, Segment
from jaxlrm.models.params import Transformer
from jaxlrm.models.transformer import forward, unembed
from jaxlrm.sampling import sample


@struct.dataclass
class Tables:
    """Which tokens end a step or an answer (see `text.Delimiter`).

    Attributes:
        known: `[V] bool`, tokens that the tokenizer has.
        ends_answer: `[V] bool`.
        contains: `[V] bool`, the token contains the step delimiter.
        starts: `[V] bool`, the token ends with its first half.
        finishes: `[V] bool`, the token starts with its second half.
    """

    known: jax.Array
    ends_answer: jax.Array
    contains: jax.Array
    starts: jax.Array
    finishes: jax.Array


class Decoding(NamedTuple):
    """Static settings of decoding.

    Attributes:
        steps: `S`, most tokens a branch writes.
        temperature: see `sampling.sample`, as the next two.
        top_k: likewise.
        top_p: likewise.
    """

    steps: int
    temperature: float
    top_k: int = 0
    top_p: float = 1.0


@struct.dataclass
class Written:
    """What the branches wrote.

    Attributes:
        tokens: `[G, B, S] int32`.
        valid: `[G, B, S] bool`.
        ended: `[G, B] bool`, with the step delimiter or the answer's end.
        answered: `[G, B] bool`, with the answer's end.
        hidden: `[G, B, E]`, of the last token.
        logp: `[G, B] float32`, log-probability of the tokens, before the
            temperature.
        twig: keys and values of the tokens.
    """

    tokens: jax.Array
    valid: jax.Array
    ended: jax.Array
    answered: jax.Array
    hidden: jax.Array
    logp: jax.Array
    twig: Segment


def write_step(
    config: ModelConfig,
    params: Transformer,
    decoding: Decoding,
    tables: Tables,
    context: Sequence[Context],
    twig: Segment,
    hidden: jax.Array,
    start: jax.Array,
    keys: jax.Array,
    active: jax.Array,
    half: jax.Array,
    number: int = 1,
    allowance: jax.Array | None = None,
) -> Written:
    """Samples until every branch has ended its step or written `S` tokens.

    Each token goes through the model once: its keys and values are then in
    the twig and its hidden state tells the next token, so the last state is
    both the start of the next step and what a value head reads.

    Args:
        config: shape of the model.
        params: its parameters.
        decoding: how tokens are sampled.
        tables: which tokens end a step.
        context: segments that the branches read.
        twig: `[G, B, ...]` with `S` slots, to be overwritten.
        hidden: `[G, B, E]`, of the last token of each branch's leaf.
        start: `[G, B] int32`, position of the first token.
        keys: `[G, B]` PRNG keys; a token's folds in its position.
        active: `[G, B] bool`, rows that are to write at all.
        half: `[G, B] bool`, rows whose last token was the first half of a
            delimiter, in a step that is to go on.
        number: steps to write, one after another.
        allowance: `[G] int32`, tokens that the branches of a problem may
            write together: when the next one of each would be too many, all
            of them stop.
    """
    shape = (*active.shape, decoding.steps)
    slot = jnp.arange(decoding.steps)
    # Drawn ahead, since the generator's rounds are slow inside the loop.
    uniform = _uniform(keys, start, decoding.steps)

    def unfinished(carry):
        index, active, *_ = carry
        return (index < decoding.steps) & active.any()

    def body(carry):
        index, active, half, left, written = carry
        if allowance is not None:
            coming = written.valid.sum((1, 2)) + active.sum(1)
            active &= (coming <= allowance)[:, None]
        logits = unembed(params, written.hidden)
        logits = jnp.where(tables.known, logits, -jnp.inf)
        position = start + index
        token = sample(
            logits,
            uniform[index],
            decoding.temperature,
            decoding.top_k,
            decoding.top_p,
        )
        # A masked sum instead of a gather: see `sampling.sample`.
        chosen = jnp.arange(logits.shape[-1]) == token[..., None]
        logp = jnp.where(chosen, logits, 0).sum(-1)
        logp -= jax.nn.logsumexp(logits, -1)
        answered = active & tables.ends_answer[token]
        step = tables.contains[token] | (half & tables.finishes[token])
        left = left - (active & step)
        ended = answered | (active & (left == 0))
        new, twig = forward(
            config,
            params,
            token[..., None],
            position[..., None],
            slot <= index,
            context,
            written.twig,
            index,
        )
        written = Written(
            tokens=written.tokens.at[..., index].set(token),
            valid=written.valid.at[..., index].set(active),
            ended=written.ended | ended,
            answered=written.answered | answered,
            hidden=jnp.where(active[..., None], new[:, :, 0], written.hidden),
            logp=written.logp + jnp.where(active, logp, 0.0),
            twig=twig,
        )
        active &= ~ended
        return index + 1, active, tables.starts[token], left, written

    nothing = jnp.zeros_like(active)
    written = Written(
        tokens=jnp.zeros(shape, jnp.int32),
        valid=jnp.zeros(shape, bool),
        ended=nothing,
        answered=nothing,
        hidden=hidden,
        logp=jnp.zeros(active.shape, jnp.float32),
        twig=twig,
    )
    left = jnp.full(active.shape, number, jnp.int32)
    carry = (jnp.zeros((), jnp.int32), active, half, left, written)
    return jax.lax.while_loop(unfinished, body, carry)[-1]


def _uniform(keys: jax.Array, start: jax.Array, steps: int) -> jax.Array:
    """`[S, G, B] float32` in [0, 1), each of its key and position alone."""

    def draw(key, start):
        positions = start + jnp.arange(steps)
        fold = jax.vmap(jax.random.fold_in, (None, 0))
        return jax.vmap(jax.random.uniform)(fold(key, positions))

    return jnp.moveaxis(jax.vmap(jax.vmap(draw))(keys, start), -1, 0)
