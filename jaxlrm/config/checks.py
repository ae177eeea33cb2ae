"""Fields of configurations: their types, and checks of their values."""

from __future__ import annotations

import dataclasses
import numbers
import types
import typing
from typing import Any

# What a field of a plain type takes; numpy's numbers are among these.
_TAKES = {
    int: numbers.Integral,
    float: numbers.Real,
    bool: bool,
    str: str,
}


def field_types(cls: type) -> dict[str, Any]:
    """The annotation of each field of a dataclass, by its name."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def optional(annotation: Any) -> tuple[Any, bool]:
    """`T | None` as (T, True), anything else as (annotation, False)."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        args = typing.get_args(annotation)
        rest = [arg for arg in args if arg is not types.NoneType]
        if len(rest) == 1 < len(args):
            return rest[0], True
    return annotation, False


def require_positive(config: object, *names: str) -> None:
    """Raises ValueError for values of these fields that are not positive."""
    for name in names:
        value = getattr(config, name)
        if not value > 0:  # nor NaN
            raise ValueError(
                f"{type(config).__name__}.{name} is {value}; it must be "
                "positive"
            )


def require_types(config: object) -> None:
    """Raises TypeError for values of other types; makes numbers plain.

    Fields that are dataclasses, and the items of tuples, check themselves.
    """
    for name, annotation in field_types(type(config)).items():
        kind, may_be_none = optional(annotation)
        value = getattr(config, name)
        if may_be_none and value is None:
            continue
        is_flag = isinstance(value, bool) and kind is not bool
        takes = _TAKES.get(kind, typing.get_origin(kind) or kind)
        if is_flag or not isinstance(value, takes):
            raise TypeError(
                f"{type(config).__name__}.{name} is {value!r}; it must be of "
                f"type {kind.__name__}"
            )
        if kind in (int, float):
            object.__setattr__(config, name, kind(value))
