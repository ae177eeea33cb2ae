"""Scores of steps by a learned verifier: on the generator or a model apart."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jaxlrm.config import ModelConfig
from jaxlrm.models import sharding
from jaxlrm.models.params import Transformer
from jaxlrm.models.segments import Context, Segment
from jaxlrm.models.transformer import forward, unembed

# Tokens of each problem that are read at a time: what they become between two
# products stays in the caches of a CPU, and keeps others busy.
TOKENS = {"cpu": 256, "gpu": 512, "tpu": 512}


def value_logit(params: Transformer, hidden: jax.Array) -> jax.Array:
    """Logit `[...] float32` that the chain is right so far.

    Read off the hidden state `[..., E]` of a step's last token by the scalar
    head; a score is its sigmoid.
    """
    head = params.value_head
    logit = jnp.einsum(  # rounded to bfloat16, siblings would tie
        "...e,e->...",
        hidden,
        head.kernel,
        preferred_element_type=jnp.float32,
    )
    return logit + head.bias.astype(jnp.float32)


def read_step(
    config: ModelConfig,
    params: Transformer,
    tokens: jax.Array,
    valid: jax.Array,
    start: jax.Array,
    context: Sequence[Context],
    twig: Segment,
    groups: int,
    before: jax.Array | None = None,
    given: jax.Array | None = None,
) -> tuple[jax.Array, Segment, jax.Array]:
    """A reward model's pass over the new tokens of each branch.

    The prefix is not read again: it is in `context`. The tokens of a step are
    read in parallel, the branches a few at a time: all at once they would
    take more memory than the cache. Where none of a few wrote, nothing is read.

    Args:
        config: shape of the reward model.
        params: its parameters.
        tokens: `[G, B, S] int32`, left-aligned.
        valid: `[G, B, S] bool`.
        start: `[G, B] int32`, position of the first token.
        context: segments of the reward model's own cache, each with one group
            or `W`.
        twig: `[G, B, ...]` with `S` slots, to be overwritten.
        groups: `W`.
        before: `[G, B, E]`, hidden state of the token before the first; None
            asks for no likelihood.
        given: `[G, B] int32`, first tokens that nobody was free to choose,
            such as those of a tool: the likelihood leaves them out. None is 0.

    Returns:
        `(hidden, twig, likelihood)`: the hidden state `[G, B, E]` of the last
        token, the keys and values of the tokens, and the log-likelihood `[G, B]
        float32` of the step, or 0. Those of a branch without a token mean
        nothing.
    """
    length = valid.sum(-1)
    chosen = valid
    if given is not None:
        chosen &= jnp.arange(tokens.shape[-1]) >= given[..., None]
    read = functools.partial(_read, config, tokens.shape[1] // groups)
    rows = (tokens, chosen, start, length, tuple(context), twig, before)
    return sharding.on_branches(read, params, *rows)


def _read(
    config: ModelConfig,
    members: int,
    params: Transformer,
    tokens: jax.Array,
    chosen: jax.Array,
    start: jax.Array,
    length: jax.Array,
    context: Sequence[Context],
    twig: Segment,
    before: jax.Array | None,
) -> tuple[jax.Array, Segment, jax.Array]:
    """`read_step` of branches of which `members` share a group."""
    problems, branches, steps = tokens.shape
    most = TOKENS.get(jax.default_backend(), 512)
    size = max(  # of one group, or whole groups
        n
        for n in range(1, branches + 1)
        if branches % n == 0
        and (members % n == 0 or n % members == 0)
        and (n == 1 or n * steps <= most)
    )

    busy = (length > 0).any(0).reshape(-1, size).any(1)
    order = jnp.flatnonzero(busy, size=len(busy))

    def read(number, carry):
        first = order[number] * size

        def cut(x):
            return jax.lax.dynamic_slice_in_dim(x, first, size, axis=1)

        def put(x, part):
            return jax.lax.dynamic_update_slice_in_dim(x, part, first, axis=1)

        hidden, segment = forward(
            config,
            params,
            cut(tokens),
            cut(start)[..., None] + jnp.arange(steps),
            jnp.tri(steps, dtype=bool),
            [part.branches(first, size, branches) for part in context],
        )
        last = jnp.take_along_axis(
            hidden, jnp.maximum(cut(length) - 1, 0)[..., None, None], axis=2
        )[:, :, 0]
        said = jnp.zeros(last.shape[:2], jnp.float32)
        if before is not None:
            said = _likelihood(
                config, params, cut(before), hidden, cut(tokens), cut(chosen)
            )
        return jax.tree.map(put, carry, (last, segment, said))

    hidden = jnp.zeros(
        (problems, branches, config.hidden_size), params.embedding.dtype
    )
    said = jnp.zeros((problems, branches), jnp.float32)
    carry = (hidden, twig, said)
    return jax.lax.fori_loop(0, busy.sum(), read, carry)


def _likelihood(
    config: ModelConfig, params: Transformer, before, hidden, tokens, valid
):
    """`[G, B] float32`, log-likelihood of `tokens [G, B, S]` after `before`."""
    sources = jnp.concatenate([before[:, :, None], hidden[:, :, :-1]], 2)
    logits = unembed(config, params, sources)
    said = jnp.take_along_axis(logits, tokens[..., None], -1)[..., 0]
    said -= jax.nn.logsumexp(logits, -1)
    return jnp.where(valid, said, 0.0).sum(-1)
