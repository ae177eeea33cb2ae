"""Configurations from and to text: JSON, and values of a command line."""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from jaxlrm.config.checks import field_types, optional

T = TypeVar("T")


def replace_path(config: T, path: str, text: str) -> T:
    """A copy of `config` with one field set from text.

    Args:
        config: a frozen dataclass, possibly of dataclasses.
        path: field names joined by dots, such as `search.branches`.
        text: the value as typed on a command line. It is read by the field's
            annotation: int, float, bool (`true`, `false`, `1`, `0`), str,
            Literal, a tuple of those (`1,2,3`), or any of them with None
            (`none`).

    Returns:
        A new config of the same type, validated.

    Raises:
        ValueError: no such field (the message names the nearest), or the text
            does not fit the annotation, or validation refuses the value.
        TypeError: the field's annotation is none of the above.
    """
    return replace_paths(config, {path: text})


def replace_paths(config: T, texts: Mapping[str, str]) -> T:
    """`replace_path` for several fields, validated once they are all set.

    So that fields bound to each other (`num_heads`, `num_kv_heads`) can change
    together in any order.
    """
    return _replace(config, {tuple(k.split(".")): v for k, v in texts.items()})


def to_json(config: object) -> dict[str, Any]:
    """The config as a dict that `json.dumps` takes; tuples become lists.

    Raises:
        TypeError: a value that is no dataclass, tuple, str, number, bool or
            None.
    """
    return {
        field.name: _value_to_json(getattr(config, field.name), field.name)
        for field in dataclasses.fields(config)
    }


def from_json(cls: type[T], record: Mapping[str, Any]) -> T:
    """The config of type `cls` that `to_json` wrote; checks every type.

    Raises:
        ValueError: an unknown key, a key without default that is missing, a
            value of another type, or one that validation refuses.
        TypeError: an annotation that `replace_path` does not know either.
    """
    return _from_json(cls, record, ())


_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def _replace(config, texts, prefix=()):
    annotations = field_types(type(config))
    leaves, groups = {}, {}
    for path, text in texts.items():
        name, rest = path[0], path[1:]
        where = ".".join((*prefix, name))
        if name not in annotations:
            raise ValueError(_unknown_field(type(config), name, where))
        value = getattr(config, name)
        if rest:
            if not dataclasses.is_dataclass(value):
                raise ValueError(
                    f"{where} is {value!r}, which has no fields; it cannot "
                    f"take {'.'.join((*prefix, *path))}={text}"
                )
            groups.setdefault(name, {})[rest] = text
        elif dataclasses.is_dataclass(value):
            raise ValueError(
                f"{where} is a group; set one of its fields: "
                f"{', '.join(field_types(type(value)))}"
            )
        else:
            leaves[name] = _parse(text, annotations[name], where)
    nested = {
        name: _replace(getattr(config, name), inner, (*prefix, name))
        for name, inner in groups.items()
    }
    return dataclasses.replace(config, **leaves, **nested)


def _unknown_field(cls: type, name: str, where: str) -> str:
    names = list(field_types(cls))
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return (
        f"{cls.__name__} has no field {name!r} (in {where!r}); {hint}"
        f"fields: {', '.join(names)}"
    )


def _item_types(annotation: Any, length: int, where: str) -> list[Any]:
    """Annotations of a tuple's items; ValueError if the length is wrong."""
    args = typing.get_args(annotation)
    if len(args) == 2 and args[1] is Ellipsis:
        return [args[0]] * length
    if len(args) != length:
        raise ValueError(f"{where} takes {len(args)} values, not {length}")
    return list(args)


def _unsupported(annotation: Any, where: str) -> TypeError:
    return TypeError(
        f"{where} is annotated {annotation}; a config field is an int, float, "
        "bool, str, Literal, dataclass, a tuple of those, or one or None"
    )


def _parse(text: str, annotation: Any, where: str) -> Any:
    annotation, may_be_none = optional(annotation)
    if may_be_none and text.lower() == "none":
        return None
    origin = typing.get_origin(annotation)
    if annotation is str:
        return text
    if annotation is bool:
        if text.lower() not in _BOOLEANS:
            raise ValueError(
                f"{where}={text!r} is not of type bool; use one of "
                f"{', '.join(_BOOLEANS)}"
            )
        return _BOOLEANS[text.lower()]
    if annotation in (int, float):
        try:
            return annotation(text)
        except ValueError:
            raise ValueError(
                f"{where}={text!r} is not of type {annotation.__name__}"
            ) from None
    if origin is Literal:
        options = {str(arg): arg for arg in typing.get_args(annotation)}
        if text not in options:
            raise ValueError(
                f"{where}={text!r} is unknown; use one of {', '.join(options)}"
            )
        return options[text]
    if origin is tuple:
        inner = text.strip()
        if inner[:1] + inner[-1:] in ("()", "[]"):
            inner = inner[1:-1]
        parts = [part.strip() for part in inner.split(",")]
        if not parts[-1]:  # `1,2,` and the empty tuple
            parts.pop()
        items = _item_types(annotation, len(parts), where)
        return tuple(
            _parse(part, item, f"{where}[{i}]")
            for i, (part, item) in enumerate(zip(parts, items, strict=True))
        )
    raise _unsupported(annotation, where)


def _value_to_json(value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(value):
        return to_json(value)
    if isinstance(value, tuple):
        return [_value_to_json(item, where) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(
        f"{where} holds a {type(value).__name__}; a config holds dataclasses, "
        "tuples, str, numbers, bool and None"
    )


def _from_json(cls, record, prefix):
    if not isinstance(record, Mapping):
        where = ".".join(prefix) or cls.__name__
        raise ValueError(f"{where}={record!r} is not an object")
    annotations = field_types(cls)
    for name in record:
        if name not in annotations:
            where = ".".join((*prefix, name))
            raise ValueError(_unknown_field(cls, name, where))
    for field in dataclasses.fields(cls):
        required = (
            field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
        )
        if required and field.name not in record:
            raise ValueError(
                f"{'.'.join((*prefix, field.name))} is missing; "
                f"{cls.__name__} has no default for it"
            )
    return cls(
        **{
            name: _value_from_json(value, annotations[name], (*prefix, name))
            for name, value in record.items()
        }
    )


def _value_from_json(value: Any, annotation: Any, path: tuple[str, ...]) -> Any:
    annotation, may_be_none = optional(annotation)
    if may_be_none and value is None:
        return None
    where = ".".join(path)
    origin = typing.get_origin(annotation)
    if dataclasses.is_dataclass(annotation):
        return _from_json(annotation, value, path)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"{where}={value!r} is not a list")
        items = _item_types(annotation, len(value), where)
        return tuple(
            _value_from_json(part, item, (*path, str(i)))
            for i, (part, item) in enumerate(zip(value, items, strict=True))
        )
    if origin is Literal:
        options = typing.get_args(annotation)
        if not any(type(value) is type(o) and value == o for o in options):
            raise ValueError(
                f"{where}={value!r} is unknown; use one of "
                f"{', '.join(map(str, options))}"
            )
        return value
    if annotation not in (bool, int, float, str):
        raise _unsupported(annotation, where)
    if annotation is float and type(value) is int:
        return float(value)
    if type(value) is not annotation:
        raise ValueError(
            f"{where}={value!r} is not of type {annotation.__name__}"
        )
    return value
