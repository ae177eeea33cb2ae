"""Which searches fit into the devices' memory, and what fits instead."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from jaxlrm.config import SearchConfig
from jaxlrm.engine.layout import Layout, Models
from jaxlrm.engine.memory import Plan, plan
from jaxlrm.engine.plan import BUCKETS
from jaxlrm.machine import format_bytes

Arrange = Callable[[SearchConfig], Layout]


def fit(
    models: Models,
    config: SearchConfig,
    arrange: Arrange,
    has: int | None,
) -> tuple[SearchConfig, Layout, Plan]:
    """The search as it fits into the memory.

    Where there is none for stems, rows attend to the trunk; where the trunk
    cannot grow as far as it may have to, the configuration limits it.

    Args:
        models: of the engine.
        config: what the searches have in common, resolved.
        arrange: lays out the search of a configuration.
        has: bytes of a device that it may take; None takes all to fit.

    Returns:
        The configuration, its layout and plan. Where nothing fits it is what
        takes least: see `Plan.fits` and `refusal`.
    """
    for choice in _choices(config, arrange):
        tried, search = choice
        found = plan(models, search, has)
        if found.fits:
            break
    limit = 0 if tried is config else tried.trunk
    return tried, search, dataclasses.replace(found, limit=limit)


def refusal(
    models: Models, config: SearchConfig, arrange: Arrange, found: Plan
) -> str:
    """Why a search is refused, and with which changes it would not be.

    Args:
        models: of the engine.
        config: as for `fit`, as the next.
        arrange: lays out the search of a configuration.
        found: the plan of `fit`, which does not.
    """
    has = found.available
    remedy = " or ".join(_smaller(models, config, arrange, has))
    if remedy:
        remedy = f"it fits with {remedy}"
    else:
        remedy = "take a smaller model, or share it among more devices"
    return (
        f"the search needs {format_bytes(found.largest)} of a device's memory "
        f"and has {format_bytes(has)}; {remedy}\n{found}"
    )


def _choices(
    config: SearchConfig, arrange: Arrange
) -> Iterator[tuple[SearchConfig, Layout]]:
    """The search as it is wanted, then as it takes less and less memory."""
    search = arrange(config)
    yield config, search
    if search.sizes.stem:
        search = search._replace(sizes=search.sizes._replace(stem=0))
        yield config, search
    most, first = search.largest[0], search.sizes.trunk
    for slots in reversed(BUCKETS):
        if first <= slots < most:
            yield (
                dataclasses.replace(config, trunk=slots),
                search._replace(largest=(slots, 0)),
            )


def _smaller(
    models: Models, config: SearchConfig, arrange: Arrange, has: int
) -> Iterator[str]:
    """Changes of one field with which the search fits."""
    search = arrange(config)
    now = {
        "branches": config.branches,
        "batch": search.turns * search.sizes.problems,
        "chain_tokens": config.chain_tokens,
        "trunk": search.sizes.trunk,
    }
    for name, value in now.items():
        while value > 1:
            value //= 2
            step = config.step_tokens
            if name == "chain_tokens":
                step = min(step, value)
            try:
                changed = dataclasses.replace(
                    config, **{name: value, "step_tokens": step}
                )
            except ValueError:  # as of branches that width does not divide
                break
            if fit(models, changed, arrange, has)[2].fits:
                yield f"{name}={value}"
                break


def most(
    models: Models, config: SearchConfig, arrange: Arrange, has: int
) -> dict[str, int]:
    """How large branches, batch and chains may be, each alone, to fit.

    By doubling, so less than twice as much would fit as well.

    Args:
        models: of the engine.
        config: of a search that fits, resolved.
        arrange: as for `fit`.
        has: likewise.
    """
    search = arrange(config)
    everyone = models.generator, *models.rewards
    context = min(each.max_position_embeddings for each in everyone)
    found = {
        "branches": config.branches,
        "batch": search.turns * search.sizes.problems,
        "chain_tokens": config.chain_tokens,
    }
    for name, value in found.items():
        held = 0
        while value < context:  # more branches than that are nobody's
            changed = dataclasses.replace(config, **{name: 2 * value})
            tried = fit(models, changed, arrange, has)[2]
            if not tried.fits or tried.limit or tried.held <= held:
                break
            value, held = 2 * value, tried.held
        found[name] = value
    return found
