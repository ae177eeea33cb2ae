"""A reasoning engine for small language models, native to JAX.

`load` and `Engine` bring in JAX when they are first used, so that
`jaxlrm.verify` and the symbolic side stay light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxlrm.config import SearchConfig as SearchConfig
    from jaxlrm.engine.engine import Engine as Engine
    from jaxlrm.engine.loading import load as load
    from jaxlrm.engine.solution import Solution as Solution

__version__ = "0.1.0"

_HOMES = {
    "Engine": "jaxlrm.engine.engine",
    "SearchConfig": "jaxlrm.config",
    "Solution": "jaxlrm.engine.solution",
    "load": "jaxlrm.engine.loading",
}
__all__ = ["Engine", "SearchConfig", "Solution", "load"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'jaxlrm' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
