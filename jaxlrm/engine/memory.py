"""What a search takes of the devices' memory."""

from __future__ import annotations

import dataclasses

from jaxlrm.config import ModelConfig
from jaxlrm.engine import footprint
from jaxlrm.engine.layout import Layout, Models
from jaxlrm.machine import available_memory, format_bytes

SHARE = 0.95  # of what is free: allocators and the host take some


@dataclasses.dataclass(frozen=True)
class Plan:
    """Bytes that a search takes on each device.

    Attributes:
        weights: of the generator, with the tokenizer's tables.
        copy: of them, that a CPU decodes with.
        rewards: weights of the reward models.
        prompt: keys and values of the prompts, of all models, as the next.
        trunk: of the kept steps, at the start.
        stem: of the paths that rows extend, at the start.
        twig: of the steps that are being written.
        trees: nodes, with their tokens and hidden states, and rows.
        temporaries: about what the largest program takes beside.
        largest: most that all of it may come to, as trunk and stems grow.
        available: what there is for it; None if the device does not say.
        devices: how many.
        problems: side by side.
        rows: of each problem.
        limit: slots that the trunk of a problem is kept to for want of memory;
            0 if it may grow as needed.
    """

    weights: int
    copy: int
    rewards: int
    prompt: int
    trunk: int
    stem: int
    twig: int
    trees: int
    temporaries: int
    largest: int
    available: int | None
    devices: int
    problems: int
    rows: int
    limit: int = 0

    @property
    def cache(self) -> int:
        """Of all keys and values, at the start."""
        return self.prompt + self.trunk + self.stem + self.twig

    @property
    def held(self) -> int:
        """Of what stays allocated between two rounds, at the start."""
        models = self.weights + self.copy + self.rewards
        return models + self.cache + self.trees

    @property
    def total(self) -> int:
        """Of all of it, at the start."""
        return self.held + self.temporaries

    @property
    def fits(self) -> bool:
        """Whether there is memory for it, however far the caches grow."""
        return self.available is None or self.largest <= self.available

    def __str__(self) -> str:
        def named(*names: str) -> str:
            found = [(name, getattr(self, name)) for name in names]
            return ", ".join(f"{n} {format_bytes(b)}" for n, b in found if b)

        models = named("weights", "copy", "rewards")
        caches = named("prompt", "trunk", "stem", "twig")
        rest = named("trees", "temporaries")
        where = "" if self.devices == 1 else f" on each of {self.devices}"
        there = ""
        if self.available is not None:
            there = f" of {format_bytes(self.available)}"
        grows = ""
        if self.largest > self.total:
            grows = f", at most {format_bytes(self.largest)} as it grows"
        text = (
            f"memory{where}: {format_bytes(self.total)}{there}{grows}\n"
            f"  {models}, cache {format_bytes(self.cache)} ({caches}), {rest}; "
            f"{self.problems} x {self.rows} rows"
        )
        if self.limit:
            text += (
                f"\n  the trunk of a problem is kept to {self.limit:,} slots, "
                "and steps that find no room are dropped"
            )
        return text


def plan(models: Models, search: Layout, has: int | None) -> Plan:
    """What a search takes.

    Args:
        models: of the engine.
        search: how it is laid out.
        has: bytes of a device that it may take.
    """
    first, sizes = footprint.of_state(models, search), search.sizes
    trunk, stem = map(max, search.largest, (sizes.trunk, sizes.stem))
    grown = search._replace(
        sizes=sizes._replace(trunk=trunk, stem=sizes.stem and stem)
    )
    last = footprint.of_state(models, grown)
    weights = {
        "weights": _loaded(models, models.generator) + models.tables,
        "copy": footprint.copied(models),
        "rewards": _loaded(models, *models.rewards),
    }
    most = sum([*weights.values(), *last.values()])
    return Plan(
        **weights,
        **first,
        temporaries=footprint.temporaries(models, search),
        largest=most + footprint.temporaries(models, grown),
        available=has,
        devices=models.mesh.size,
        problems=search.turns * sizes.problems,
        rows=sizes.rows,
    )


def available(models: Models, prepared: bool) -> int | None:
    """Bytes of each device that a search may take, with the weights there.

    Most of what is free, and what the weights have taken already. Simulated
    devices of a CPU share the machine's memory.

    Args:
        models: of the engine.
        prepared: whether the copy that a CPU decodes with is there too.
    """
    here = models.mesh.local_mesh.devices.flat
    stats = [device.memory_stats() or {} for device in here]
    free = None
    if all("bytes_limit" in each for each in stats):
        free = min(each["bytes_limit"] - each["bytes_in_use"] for each in stats)
    elif models.platform == "cpu" and (free := available_memory()):
        free //= len(stats)
    if free is None:
        return None
    held = _loaded(models, models.generator, *models.rewards)
    held += footprint.copied(models) if prepared else 0
    return held + models.tables + int(SHARE * free)


def _loaded(models: Models, *configs: ModelConfig) -> int:
    return sum(footprint.of_model(models, each) for each in configs)
