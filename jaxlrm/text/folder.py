"""What the files of a model folder say about its text.

A folder needs nothing but what `transformers` writes; `text.json` may
override it (docs/models.md). Each value is checked by type and range here.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from jaxlrm import files

TOKENIZER = "tokenizer.json"
OVERRIDE = "text.json"
TEMPLATE = "chat_template.jinja"  # wins over that of TOKENIZER_CONFIG
TEMPLATES = "additional_chat_templates"  # a folder of NAME.jinja
TOKENIZER_CONFIG = "tokenizer_config.json"
SPECIAL = "special_tokens_map.json"  # of older folders
GENERATION = "generation_config.json"
CONFIG = "config.json"

# The fields of `text.json`, in the order of docs/models.md.
FIELDS = ("end", "prompt", "system", "step", "tasks", "extensions")

_LONGEST_CONTEXT = 1 << 24  # what is above only says that nobody set it
_LONGEST_PROMPT = 1 << 20  # characters
_LONGEST_STEP = 64  # characters of a delimiter
_MOST = 64  # delimiters, or end tokens
_IDS = 1 << 24  # token ids are below

# Tokenizers in forms that are not read, and what makes `tokenizer.json` of
# them.
_CONVERT = (
    'python -c "from transformers import AutoTokenizer as A; '
    "A.from_pretrained('{folder}').save_pretrained('{folder}')\""
)
_OTHER_TOKENIZERS = (
    "tokenizer.model",
    "tekken.json",
    "vocab.json",
    "spiece.model",
    "tiktoken.model",
    "vocab.txt",
)


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How a model is sampled where a search leaves it open.

    Attributes:
        temperature: 0 takes the likeliest token.
        top_k: sample among this many likeliest tokens; 0 for all.
        top_p: sample among the likeliest tokens of this total probability.
        min_p: sample among tokens at least this share as likely as the
            likeliest; 0 for all.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0


@dataclasses.dataclass(frozen=True)
class Description:
    """What a folder says.

    Attributes:
        templates: chat templates by name; `default` is the one to use.
        tokens: special tokens that templates may name, such as `bos_token`.
        added: tokens beside those of `tokenizer.json`, by id, and whether
            they are special.
        end: ids that end an answer, of the generation's and the model's
            configuration; the tokenizer's `eos_token` is among `tokens`.
        sampling: the model's defaults.
        context: longest sequence that the tokenizer is meant for; 0 if it
            does not say.
        override: the fields of `text.json`, `end` and `step` as tuples.
    """

    templates: Mapping[str, str]
    tokens: Mapping[str, str]
    added: Mapping[int, tuple[str, bool]]
    end: tuple[int, ...]
    sampling: Sampling
    context: int
    override: Mapping[str, Any]


def describe(folder: str | os.PathLike) -> Description:
    """Reads all of a folder that is about text, but the tokenizer itself.

    Raises:
        FileNotFoundError: there is no `tokenizer.json`; says what there is.
        OSError: a file cannot be read.
        ValueError: a file or one of its fields is not what it should be.
    """
    folder = pathlib.Path(folder)
    if not (folder / TOKENIZER).is_file():
        raise FileNotFoundError(_missing_tokenizer(folder))
    tokenizer = _object(folder / TOKENIZER_CONFIG)
    older = _object(folder / SPECIAL)
    return Description(
        templates=_templates(folder, tokenizer),
        tokens=_tokens(older) | _tokens(tokenizer),
        added=_added(tokenizer),
        end=tuple(
            dict.fromkeys(
                _ends(_object(folder / GENERATION))
                + _ends(_object(folder / CONFIG))
            )
        ),
        sampling=_sampling(_object(folder / GENERATION)),
        context=_context(tokenizer),
        override=_override(_object(folder / OVERRIDE)),
    )


def _object(path: pathlib.Path) -> files.Fields:
    """The fields of a JSON file; without any if there is none."""
    if not path.is_file():
        return files.Fields({}, str(path))
    return files.read_object(path)


def _missing_tokenizer(folder: pathlib.Path) -> str:
    path = files.visible(str(folder / TOKENIZER), lines=False)
    for name in _OTHER_TOKENIZERS:
        if (folder / name).is_file():
            return (
                f"{path} is missing, and {name} is not read; make one of it "
                f"with transformers: {_CONVERT.format(folder=folder)}"
            )
    return (
        f"{path} is missing; a model folder holds config.json, "
        "model.safetensors, tokenizer.json and what else transformers writes"
    )


def _templates(folder: pathlib.Path, fields: files.Fields) -> dict[str, str]:
    """Chat templates by name: in files of their own, or in the configuration.

    Those in files win, as in `transformers`.
    """
    found = {}
    paths = sorted((folder / TEMPLATES).glob("*.jinja"))
    for path in paths:
        found[path.stem] = _text(path)
    if (folder / TEMPLATE).is_file():
        found["default"] = _text(folder / TEMPLATE)
    if found:
        return found
    value = fields.values.get("chat_template")
    if isinstance(value, list):
        for item in value:
            if not isinstance(item, dict):
                raise fields.error("chat_template", "it must hold objects")
            named = files.Fields(item, f"{fields.where}: chat_template")
            found[named.text("name")] = named.text("template")
        return found
    template = fields.text("chat_template", default=None)
    return {} if template is None else {"default": template}


def _text(path: pathlib.Path) -> str:
    # Python's universal newlines, which transformers reads the file with.
    text = files.decode(files.read(path), str(path))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _tokens(fields: files.Fields) -> dict[str, str]:
    """Special tokens by their names, each written as text or as an object."""
    found = {}
    for name, value in fields.values.items():
        if not name.endswith("_token") or name.startswith("add_"):
            continue
        if isinstance(value, dict):
            value = files.Fields(value, f"{fields.where}: {name}")
            found[name] = value.text("content")
        elif value is not None and not isinstance(value, bool):
            found[name] = fields.text(name)
    return found


def _added(fields: files.Fields) -> dict[int, tuple[str, bool]]:
    decoder = fields.object("added_tokens_decoder", default=None)
    found = {}
    for number, value in sorted(decoder.values.items()) if decoder else ():
        if not (number.isascii() and number.isdigit()) or len(number) > 8:
            raise decoder.error(number, "the field must be a token id")
        if not isinstance(value, dict):
            raise decoder.error(number, "it must be an object")
        token = files.Fields(value, f"{decoder.where}: {number}")
        special = token.flag("special", default=False)
        found[int(number)] = token.text("content"), special
    return dict(sorted(found.items()))


def _ends(fields: files.Fields) -> tuple[int, ...]:
    value = fields.values.get("eos_token_id")
    if value is None:
        return ()
    ids = value if isinstance(value, list) else [value]
    plain = all(type(i) is int and 0 <= i < _IDS for i in ids)
    if not plain or len(ids) > _MOST:
        raise fields.error(
            "eos_token_id", f"it must be a token id or a list of up to {_MOST}"
        )
    return tuple(ids)


def _sampling(fields: files.Fields) -> Sampling:
    """The defaults, where the file does not say to sample nothing.

    With `do_sample` false the other values are left-overs that `transformers`
    warns of; a search samples, so those of `Sampling` stand.
    """
    if fields.flag("do_sample", default=None) is False:
        return Sampling()
    none = Sampling()
    temperature = fields.number("temperature", 0, 1e3, default=None)
    top_k = fields.integer("top_k", -1, default=None)
    top_p = fields.number("top_p", 0, 1, default=None)
    return Sampling(
        none.temperature if temperature is None else _warm(temperature),
        max(top_k or 0, 0),  # some write -1 for all
        top_p or none.top_p,  # nothing is left of a share of 0
        fields.number("min_p", 0, 1, default=None) or none.min_p,
    )


def _warm(temperature: float) -> float:
    """A temperature that logits can be divided by; 0 stays."""
    return temperature if temperature >= 1e-6 else 0.0


def _context(fields: files.Fields) -> int:
    """0 where it is missing, or so large that nobody meant it."""
    value = fields.values.get("model_max_length")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not is_number:
        raise fields.error("model_max_length", "it must be a number")
    if value is None or not 1 <= value < _LONGEST_CONTEXT:
        return 0
    return int(value)


def _override(fields: files.Fields) -> dict[str, Any]:
    for name in fields.values:
        if name not in FIELDS:
            raise ValueError(
                f"{fields.where}: {files.shown(name)} is unknown; a text.json "
                f"holds {', '.join(FIELDS)}"
            )
    found: dict[str, Any] = {}
    for name in ("end", "step"):
        if name in fields:
            found[name] = _one_or_more(fields, name)
    for name in ("prompt", "system"):
        if name in fields:
            found[name] = fields.text(name)
            if len(found[name]) > _LONGEST_PROMPT:
                raise fields.error(
                    name,
                    f"it must be text of up to {_LONGEST_PROMPT} characters",
                )
    if "{problem}" not in found.get("prompt", "{problem}"):
        raise fields.error(
            "prompt", "it must hold {problem}, the place of the problem's text"
        )
    for name in ("tasks", "extensions"):
        if name in fields:
            found[name] = tuple(fields.texts(name))
    return found


def _one_or_more(fields: files.Fields, name: str) -> tuple[str, ...]:
    """Texts of `end` or `step`: one, or a list of them."""
    wanted = (
        f"it must be text of 1 to {_LONGEST_STEP} characters, or a list of up "
        f"to {_MOST} of them"
    )
    value = fields.values[name]
    several = value if isinstance(value, list) else [value]
    whole = all(
        files.is_text(one) and 0 < len(one) <= _LONGEST_STEP for one in several
    )
    if not whole or not 0 < len(several) <= _MOST:
        raise fields.error(name, wanted)
    return tuple(several)
