"""What devices can do, by what their makers say of them."""

from __future__ import annotations

import math
from typing import NamedTuple

_GIB = 2**30


class Device(NamedTuple):
    """A device, or a computer whose CPU computes.

    Attributes:
        name: as people call it.
        platform: as JAX calls it.
        memory: bytes.
        bandwidth: bytes of its memory that it reads in a second.
        compute: operations on bfloat16 that it does in a second.
    """

    name: str
    platform: str
    memory: int
    bandwidth: float
    compute: float


DEVICES = {
    "v5e": Device("v5e", "tpu", 16 * _GIB, 819e9, 197e12),
    "v5p": Device("v5p", "tpu", 95 * _GIB, 2765e9, 459e12),
    "v6e": Device("v6e", "tpu", 32 * _GIB, 1640e9, 918e12),
    "h100": Device("h100", "gpu", 80 * _GIB, 3350e9, 989e12),
}
# What no maker says: two channels of DDR5, eight cores with AVX-512.
_LAPTOP = 60e9, 0.5e12


def find(name: str) -> Device:
    """A device by its name, or `laptop:GB`, a computer of so much memory.

    Raises:
        ValueError: there is no such device.
    """
    kind, _, size = name.partition(":")
    if kind in DEVICES and not size:
        return DEVICES[kind]
    try:
        gigabytes = float(size) if kind == "laptop" else 0.0
    except ValueError:
        gigabytes = 0.0
    if not 0 < gigabytes < math.inf:
        raise ValueError(
            f"device {name!r} is unknown; use one of {', '.join(DEVICES)}, or "
            "laptop:GB, as in laptop:16"
        )
    return Device(name, "cpu", int(gigabytes * _GIB), *_LAPTOP)
