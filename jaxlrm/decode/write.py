"""Writes tokens in every row, in lockstep, up to the end of its step."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import struct

from jaxlrm.config import ModelConfig
from jaxlrm.decode.sampling import sample
from jaxlrm.limits import Limits, affordable
from jaxlrm.models import sharding
from jaxlrm.models.params import Transformer
from jaxlrm.models.rope import rotary_angles
from jaxlrm.models.segments import Context, Segment
from jaxlrm.models.transformer import forward, unembed


@struct.dataclass
class Tables:
    """Which tokens end a step or an answer, and which are thinking.

    The state of a row, its `reading`, is that of the automaton of
    `text.delimiters` plus `X` times 0, or 1 inside of `<think>`, or 2 behind
    the token that ended the thinking.

    Attributes:
        known: `[V] bool`, tokens that the tokenizer has.
        ends_answer: `[V] bool`.
        following: `[X, V] int16`, the automaton's state after a token.
        ends_step: `[X, V] bool`, whether a step ends with the token.
        opens: `[V] bool`, the token begins thinking.
        closes: `[V] bool`, the token ends it.
        enough: `[2] int32`, what is written where thinking has used its
            budget: the token that ends it, and a blank line.
        start: `int32`, the reading of a prompt's end.
    """

    known: jax.Array
    ends_answer: jax.Array
    following: jax.Array
    ends_step: jax.Array
    opens: jax.Array
    closes: jax.Array
    enough: jax.Array
    start: jax.Array

    @classmethod
    def without_thinking(
        cls,
        known: jax.Array,
        ends_answer: jax.Array,
        following: jax.Array,
        ends_step: jax.Array,
    ) -> Tables:
        """The tables of a model that has no tokens for thinking."""
        nothing = jnp.zeros_like(ends_answer)
        return cls(
            known=known,
            ends_answer=ends_answer,
            following=following,
            ends_step=ends_step,
            opens=nothing,
            closes=nothing,
            enough=jnp.zeros(2, jnp.int32),
            start=jnp.zeros((), jnp.int32),
        )

    def read(
        self, reading: jax.Array, token: jax.Array, told: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """The reading after a token, and whether it ended a step, `[G, R]`.

        Args:
            reading: `[G, R] int32`, of before.
            token: `[G, R] int32`.
            told: `[G, R] bool`, tokens of a tool's output, which end nothing:
                behind them a step begins.
        """
        states = len(self.following)
        state, thinking = reading % states, reading // states
        ended = self.ends_step[state, token] & ~told
        state = jnp.where(told, 0, self.following[state, token])
        goes_on = self.opens[token] | (thinking == 1)
        now = jnp.where(self.closes[token], 2, goes_on.astype(jnp.int32))
        return state + states * jnp.where(told, thinking, now), ended

    def think(
        self, reading: jax.Array, token: jax.Array, over: jax.Array
    ) -> jax.Array:
        """`token [G, R]`, or the next one of `enough` for spent thinking.

        Args:
            reading: `[G, R] int32`, before the token.
            token: `[G, R] int32`, sampled.
            over: `[G, R] int32`, tokens of the chain beyond its budget for
                thinking; negative below.
        """
        thinking = reading // len(self.following)
        token = jnp.where((thinking == 1) & (over >= 0), self.enough[0], token)
        return jnp.where((thinking == 2) & (over >= 1), self.enough[1], token)


@struct.dataclass
class Rows:
    """The rows at the start of a chunk of `C` tokens, `[G, R]`.

    Attributes:
        active: `[G, R] bool`, rows that are to write at all.
        keys: `[G, R]` PRNG keys of their steps; a token's folds in its
            position.
        hidden: `[G, R, E]`, of the last token before.
        reading: `[G, R] int32`, after it, see `Tables`.
        position: `[G, R] int32`, of the first token.
        before: `[G, R] int32`, tokens of the chain so far.
        most: `[G, R] int32`, tokens that a row may write; no more than `C`.
        told: `[G, R, C] int32`, what a tool wrote: first tokens of the chunk,
            of which the model is not asked.
        forced: `[G, R] int32`, how many of them there are.
    """

    active: jax.Array
    keys: jax.Array
    hidden: jax.Array
    reading: jax.Array
    position: jax.Array
    before: jax.Array
    most: jax.Array
    told: jax.Array
    forced: jax.Array


@struct.dataclass
class Written:
    """What the rows wrote.

    Attributes:
        tokens: `[G, R, C] int32`.
        length: `[G, R] int32`, how many.
        ended: `[G, R] bool`, with the step delimiter or the answer's end.
        answered: `[G, R] bool`, with the answer's end.
        stopped: `[G, R] bool`, for the tokens that a problem may write were
            spent.
        hidden: `[G, R, E]`, of the last token.
        logp: `[G, R] float32`, log-probability of the sampled tokens, before
            the temperature.
        reading: `[G, R] int32`, after the last token, see `Tables`.
        twig: keys and values of the tokens.
        steps: `[G, R] int32`, tokens that each row had time for.
    """

    tokens: jax.Array
    length: jax.Array
    ended: jax.Array
    answered: jax.Array
    stopped: jax.Array
    hidden: jax.Array
    logp: jax.Array
    reading: jax.Array
    twig: Segment
    steps: jax.Array


def write(
    config: ModelConfig,
    params: Transformer,
    limits: Limits,
    tables: Tables,
    context: Sequence[Context],
    twig: Segment,
    rows: Rows,
    allowance: jax.Array | None = None,
    narrow: bool = False,
) -> Written:
    """Samples until every row has ended its step or written its tokens.

    Each token goes through the model once: its keys and values are then in
    the twig and its hidden state tells the next token, so the last state is
    both the start of the next step and what a value head reads. Devices that
    share the rows of a problem write theirs without waiting for each other,
    unless there is an `allowance`, which all of them draw on.

    Args:
        config: shape of the model.
        params: its parameters.
        limits: `[G]`, how tokens are sampled.
        tables: which tokens end a step.
        context: segments that the rows read.
        twig: `[G, R, ...]` with `C` slots, to be overwritten.
        rows: what is to be written.
        allowance: `[G] int32`, tokens that the rows of a problem may write
            together: when the next one of each would be too many, all of them
            stop.
        narrow: whether rows stop before, the last ones first, as soon as the
            tokens left would not let all chains become half as long again.
    """

    def apart(shared, *arguments):
        return _write(config, *shared, *arguments, allowance, narrow)

    shared = params, tables
    own = limits.columns(), tuple(context), twig, rows
    if allowance is not None:
        return apart(shared, *own)
    return sharding.on_branches(apart, shared, *own)


def _write(
    config: ModelConfig,
    params: Transformer,
    tables: Tables,
    limits: Limits,
    context: tuple[Context, ...],
    twig: Segment,
    rows: Rows,
    allowance: jax.Array | None,
    narrow: bool,
) -> Written:
    """`write` of rows whose limits are `[G, 1]`."""
    size = twig.slots
    # Made ahead: the generator's rounds are slow inside the loop, and each
    # layer would compute its cosines and sines anew.
    uniform = _uniform(rows.keys, rows.position, size)
    positions = rows.position + jnp.arange(size)[:, None, None]
    angles = rotary_angles(config, positions[..., None])
    slot = jnp.arange(size)
    # Masks as the kernel reads them: if cast inside the loop, it would carry
    # the `bool` ones too, which a TPU pads to four times their size.
    context = [x._replace(mask=x.mask.astype(jnp.int8)) for x in context]

    def choose(index, written: Written):
        """The next token `[G, R]`, its log-probability, whether it is free."""
        logits = unembed(config, params, written.hidden)
        logits = jnp.where(tables.known, logits, -jnp.inf)
        sampled = sample(
            logits,
            uniform[index],
            limits.temperature,
            limits.top_k,
            limits.top_p,
            limits.min_p,
        )
        over = rows.before + index - limits.think_tokens
        token = tables.think(written.reading, sampled, over)
        told = index < rows.forced
        free = ~told & (token == sampled)
        token = jnp.where(told, rows.told[..., index], token)
        # A masked sum instead of a gather: see `sampling.sample`.
        chosen = jnp.arange(logits.shape[-1]) == token[..., None]
        logp = jnp.where(chosen, logits, 0).sum(-1)
        return token, logp - jax.nn.logsumexp(logits, -1), free

    def body(carry):
        index, active, written = carry
        told = index < rows.forced
        stopped = written.stopped
        if allowance is not None:
            sampled = jnp.maximum(written.length - rows.forced, 0).sum(1)
            goes_on = active
            if narrow:
                half = (rows.before + written.length) // 2 + 1
                goes_on = affordable(active, half, allowance - sampled)
            coming = sampled + (goes_on & ~told).sum(1)
            goes_on &= told | (coming <= allowance)[:, None]
            active, stopped = goes_on, stopped | (active & ~goes_on)
        token, logp, free = choose(index, written)
        answered = active & ~told & tables.ends_answer[token]
        reading, ended = tables.read(written.reading, token, told)
        ended = answered | (active & ended)
        new, own = forward(
            config,
            params,
            token[..., None],
            positions[index][..., None],
            slot <= index,
            context,
            written.twig.unsqueeze(twig),
            index,
            angles=jax.tree.map(lambda x: x[index], angles),
        )
        written = Written(
            tokens=written.tokens.at[..., index].set(token),
            length=written.length + active,
            ended=written.ended | ended,
            answered=written.answered | answered,
            stopped=stopped,
            hidden=jnp.where(active[..., None], new[:, :, 0], written.hidden),
            logp=written.logp + jnp.where(active & free, logp, 0.0),
            reading=jnp.where(active, reading, written.reading),
            twig=own.squeeze(),
            steps=written.steps,
        )
        return index + 1, active & ~ended & (index + 1 < rows.most), written

    def unfinished(carry):
        index, active, _ = carry
        return (index < size) & active.any()

    active = rows.active & (rows.most > 0)
    nothing = jnp.zeros_like(active)
    written = Written(
        tokens=jnp.zeros((*active.shape, size), jnp.int32),
        length=jnp.zeros(active.shape, jnp.int32),
        ended=nothing,
        answered=nothing,
        stopped=nothing,
        hidden=rows.hidden,
        logp=jnp.zeros(active.shape, jnp.float32),
        reading=rows.reading,
        twig=twig.squeeze(),
        steps=jnp.zeros_like(rows.most),
    )
    carry = (jnp.zeros((), jnp.int32), active, written)
    steps, _, written = jax.lax.while_loop(unfinished, body, carry)
    return written.replace(
        twig=written.twig.unsqueeze(twig),
        steps=jnp.full_like(written.steps, steps),
    )


def _uniform(keys: jax.Array, start: jax.Array, steps: int) -> jax.Array:
    """`[C, G, R] float32` in [0, 1), each of its key and position alone."""

    def draw(key, start):
        positions = start + jnp.arange(steps)
        fold = jax.vmap(jax.random.fold_in, (None, 0))
        return jax.vmap(jax.random.uniform)(fold(key, positions))

    return jnp.moveaxis(jax.vmap(jax.vmap(draw))(keys, start), -1, 0)
