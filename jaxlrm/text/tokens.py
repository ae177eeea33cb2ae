"""A tokenizer and what the engine needs to know about its tokens."""

from __future__ import annotations

import copy
import functools
import json
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from jaxlrm.text import folder as folders
from jaxlrm.text import prompts
from jaxlrm.text.delimiters import Automaton, compile_automaton
from jaxlrm.text.folder import Sampling
from jaxlrm.text.growth import check_growth
from jaxlrm.text.pieces import pieces_of
from jaxlrm.text.templates import Template

BLANK_LINE = "\n\n"  # what ends a step, where nobody says otherwise
_FROM, _TO = "\ue000", "\ue001"  # around text that names special tokens


class Text:
    """A tokenizer with what the engine needs to know about its tokens.

    Attributes:
        vocab_size: `V`, one more than the highest token id.
        end: ids that end an answer.
        padding: id used to pad arrays; its value never matters.
        prompt: template of a prompt, where the model has one of its own;
            `{problem}` is the problem's text. Empty without one.
        template: the chat template, or None.
        system: the system prompt of the model, beside its template's.
        steps: texts that end a step, or names of special tokens that do.
        tasks: the only families of problems that the model was trained on;
            empty for a model without such a limit.
        extensions: modules that the model needs.
        sampling: how it is sampled where a search leaves it open.
        context: longest sequence that the tokenizer is meant for; 0 if it
            does not say.
    """

    # Of a model folder: those that say what its tokens are.
    FILES = (folders.TOKENIZER, folders.OVERRIDE)

    def __init__(
        self,
        tokenizer,
        *,
        end: Sequence[str | int],
        step: str | Sequence[str] = BLANK_LINE,
        prompt: str = "",
        template: Template | None = None,
        system: str = "",
        tasks: Sequence[str] = (),
        extensions: Sequence[str] = (),
        sampling: Sampling | None = None,
        context: int = 0,
    ):
        """Without a `prompt` and a `template` the problem is the prompt.

        Raises:
            ValueError: an end token is none, or no delimiter can be found in
                what the tokenizer writes, or the prompt has no place for a
                problem.
        """
        self._tokenizer = tokenizer
        # Not their number: some ids may be left out.
        self.vocab_size = max(tokenizer.get_vocab().values(), default=-1) + 1
        ids = [
            token if isinstance(token, int) else tokenizer.token_to_id(token)
            for token in end
        ]
        if not ids:
            raise ValueError(
                "there is no end token; name those that end an answer"
            )
        if None in ids:
            raise ValueError(
                f"the tokenizer lacks the end tokens {list(end)}; name tokens "
                "that it has"
            )
        if prompt and "{problem}" not in prompt:
            raise ValueError(
                f"prompt template {prompt!r} lacks {{problem}}, the place of "
                "the problem's text"
            )
        self.end = tuple(dict.fromkeys(ids))
        self.padding = ids[0]
        self.prompt, self.template, self.system = prompt, template, system
        self.steps = (step,) if isinstance(step, str) else tuple(step)
        self.tasks, self.extensions = tuple(tasks), tuple(extensions)
        self.sampling, self.context = sampling or Sampling(), context
        for delimiter in self.steps:
            self._check_delimiter(delimiter)

    def _check_delimiter(self, delimiter: str) -> None:
        """Refuses one that can never be found in what a model writes."""
        ids = self.encode(delimiter)
        written = self.bytes_of(ids)
        special = delimiter in self._special
        if not special and delimiter.encode() not in (written or b""):
            raise ValueError(
                f"the step delimiter {delimiter!r} is read as "
                f"{written.decode(errors='replace')!r}; name text that the "
                "tokenizer can write"
            )

    @classmethod
    def load(cls, folder: str | os.PathLike) -> Text:
        """Reads what a model folder says about text (docs/models.md).

        Raises:
            FileNotFoundError: there is no tokenizer.
            ValueError: a file cannot be read.
        """
        import tokenizers

        folder = pathlib.Path(folder)
        said = folders.describe(folder)
        try:
            tokenizer = tokenizers.Tokenizer.from_file(
                str(folder / folders.TOKENIZER)
            )
        except Exception as error:  # the library raises bare Exception
            raise ValueError(
                f"{folder / folders.TOKENIZER} cannot be read: {error}"
            ) from error
        try:
            return cls._of(tokenizer, said)
        except ValueError as error:
            raise ValueError(f"{folder}: {error}") from error

    @classmethod
    def _of(cls, tokenizer, said: folders.Description) -> Text:
        """A tokenizer and what its folder says."""
        check_growth(tokenizer)
        tokenizer.no_truncation()  # or long problems would lose their end
        tokenizer.no_padding()
        _add(tokenizer, said.added)
        template = None
        if said.templates:
            if "default" not in said.templates:
                raise ValueError(
                    "none of its chat templates is called 'default': "
                    f"{', '.join(sorted(said.templates))}"
                )
            template = Template(said.templates["default"], said.tokens)
        override = dict(said.override)
        end = override.pop("end", None) or _ends(tokenizer, said, template)
        return cls(
            tokenizer,
            end=end,
            step=override.pop("step", BLANK_LINE),
            template=template,
            sampling=said.sampling,
            context=said.context,
            **override,
        )

    def save(self, folder: str | os.PathLike) -> None:
        """Writes what `load` reads."""
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._tokenizer.save(str(folder / folders.TOKENIZER))
        settings = {
            "end": [self._tokenizer.id_to_token(i) for i in self.end],
            "prompt": self.prompt,
            "system": self.system,
            "step": self.step if len(self.steps) == 1 else list(self.steps),
            "tasks": list(self.tasks),
            "extensions": list(self.extensions),
        }
        settings = {name: value for name, value in settings.items() if value}
        path = folder / folders.OVERRIDE
        path.write_text(json.dumps(settings, indent=2) + "\n")
        if self.template is not None:
            path = folder / folders.TEMPLATE
            path.write_text(self.template.source)
            path = folder / folders.TOKENIZER_CONFIG
            path.write_text(json.dumps(self.template.tokens, indent=2) + "\n")

    @property
    def step(self) -> str:
        """The first of `steps`: what is put between steps."""
        return self.steps[0]

    def differences(self, other: Text) -> list[str]:
        """What a model of `other` would read otherwise; empty if nothing."""
        mine, others = self._tokenizer, other._tokenizer
        found = {
            "vocabulary": mine.get_vocab() != others.get_vocab(),
            "end tokens": self.end != other.end,
            "step delimiter": self.steps != other.steps,
        }
        return [name for name, differs in found.items() if differs]

    def encode(self, text: str) -> list[int]:
        """Token ids of `text` as it stands: no template, no special tokens.

        The name of a special token is text like any other.
        """
        named = self._names_special(text)
        return self._read(self._literal if named else self._tokenizer, text)

    def encode_prompt(
        self,
        problem: str,
        style: str = prompts.AUTO,
        system: str = "",
        thinking: str = prompts.AUTO,
    ) -> list[int]:
        """Token ids of the prompt that asks `problem`, its whole text.

        Special tokens are those of the template alone: the names of some in
        the problem stay text.

        Args:
            problem: text.
            style: one of `config.PROMPTS`.
            system: the system prompt; empty is that of the style.
            thinking: see `prompts.converse`.

        Raises:
            ValueError: the model has no such prompt.
        """
        # Spaces at its ends stay outside of the marks: templates strip them.
        marked = problem
        if self._names_special(problem):
            problem = problem.replace(_FROM, "").replace(_TO, "")
            core = problem.strip()
            marked = problem.replace(core, f"{_FROM}{core}{_TO}", 1)
        text, bare = self._prompt(marked, style, system, thinking)
        first, *others = text.split(_FROM)
        ids = self._tokenizer.encode(first, add_special_tokens=bare).ids
        for part in others:
            literal, _, rest = part.partition(_TO)
            ids += self.encode(literal) + self._continue(rest)
        return ids

    def _prompt(
        self, problem: str, style: str, system: str, thinking: str
    ) -> tuple[str, bool]:
        """The prompt as text, and whether it begins without its BOS token."""
        if style == prompts.AUTO:
            style = self.style
        if style == prompts.PLAIN:
            return problem, True
        problem = prompts.question_of(style, problem)
        system = prompts.system_of(style, system or self.system)
        if self.template is not None and not (
            style == prompts.OWN and self.prompt
        ):
            return (
                prompts.converse(self.template, problem, system, thinking),
                False,
            )
        if thinking != prompts.AUTO:
            raise ValueError(
                f"thinking is {thinking!r}, and this model has no chat "
                "template; use thinking=auto"
            )
        if style == prompts.CHAT:
            raise ValueError(
                "prompt is 'chat', and this model has no chat template; use "
                "prompt=plain, or give its folder a chat_template.jinja"
            )
        asked = f"{system}\n\n{problem}" if system else problem
        if self.prompt:
            return self.prompt.replace("{problem}", asked), False
        return f"{asked}\n", True

    @property
    def style(self) -> str:
        """What `auto` stands for: the model's own prompt, chat or plain."""
        if self.prompt:
            return prompts.OWN
        return prompts.PLAIN if self.template is None else prompts.CHAT

    def _continue(self, text: str) -> list[int]:
        """Token ids of what stands behind other text, special tokens too."""
        return self._read(self._tokenizer, text)

    def _read(self, tokenizer, text: str) -> list[int]:
        """Token ids of text that stands behind other text."""
        if not self._prefixes:
            return tokenizer.encode(text, add_special_tokens=False).ids
        # Such a tokenizer puts a space before a text, but not in its middle.
        line = tokenizer.encode("\n", add_special_tokens=False).ids
        ids = tokenizer.encode("\n" + text, add_special_tokens=False).ids
        if ids[: len(line)] == line:
            return ids[len(line) :]
        return tokenizer.encode(text, add_special_tokens=False).ids

    @functools.cached_property
    def _prefixes(self) -> bool:
        ids = self._tokenizer.encode("a", add_special_tokens=False).ids
        return self.bytes_of(ids).startswith(b" ")

    def _names_special(self, text: str) -> bool:
        return any(name in text for name in self._special)

    @functools.cached_property
    def _special(self) -> tuple[str, ...]:
        added = self._tokenizer.get_added_tokens_decoder().values()
        return tuple(token.content for token in added if token.special)

    @functools.cached_property
    def _literal(self):
        """The tokenizer without an eye for special tokens."""
        tokenizer = copy.deepcopy(self._tokenizer)
        tokenizer.encode_special_tokens = True
        return tokenizer

    @functools.cached_property
    def _pieces(self) -> list[bytes] | None:
        return pieces_of(self._tokenizer, (prompts.THINK, prompts.ENOUGH))

    @functools.cached_property
    def pieces(self) -> list[bytes]:
        """The bytes of each token, `V` of them; of special ones b""."""
        if self._pieces is not None:
            return self._pieces
        # As well as can be told from tokens alone.
        decode = self._tokenizer.decode
        return [decode([i]).encode() for i in range(self.vocab_size)]

    def bytes_of(self, ids: Iterable[int]) -> bytes:
        """The text of `ids`, which may begin or end within a character."""
        return b"".join(map(self.pieces.__getitem__, ids))

    def decode(self, ids: Iterable[int]) -> str:
        """Text of `ids` as a part of a longer one; special tokens have none.

        What is left of a character that is divided at an end is U+FFFD.
        """
        if self._pieces is None:
            return self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return self.bytes_of(ids).decode("utf-8", "replace")

    def decode_step(self, ids: Iterable[int]) -> str:
        """Text of one step without its delimiter."""
        return self.decode(ids).strip()

    def step_of(
        self, ids: Sequence[int], before: str = "", breaks: str = "none"
    ) -> tuple[str, str]:
        """The text of a step without its delimiter, and what follows that.

        The last token of a step may carry text behind the delimiter: the
        beginning of the next step's text, though it was written before.

        Args:
            ids: all tokens of the step.
            before: what followed the delimiter of the step before it.
            breaks: see `automaton`; `none` reads all of the tokens.
        """
        begin = before.encode(errors="surrogateescape")
        read, rest = self.automaton(breaks).cut(ids, begin)
        step = read.decode(errors="replace")
        tail = rest.decode(errors="surrogateescape")
        for delimiter in self.steps:
            step = step.removesuffix(delimiter)
        return step.strip(), tail if tail.strip() else ""

    @functools.lru_cache(maxsize=4)  # noqa: B019 (a few, as long as the text)
    def automaton(self, breaks: str) -> Automaton:
        """What ends a step, over tokens.

        Args:
            breaks: `steps` for the delimiters, `fences` for the ends of blocks
                of code as well, `programs` for these alone; `none` for a
                chain that is one step.
        """
        if breaks == "none":
            nothing = np.zeros((1, self.vocab_size), bool)
            return Automaton(nothing.astype(np.int16), nothing, self.pieces)
        if breaks == "programs":
            return compile_automaton(self.pieces, fences=True)
        texts = [step for step in self.steps if step not in self._special]
        ids = [
            self._tokenizer.token_to_id(step)
            for step in self.steps
            if step in self._special
        ]
        return compile_automaton(
            self.pieces, texts, ids, fences=breaks == "fences"
        )

    @functools.cached_property
    def thinking(self) -> tuple[int, int] | None:
        """Ids of the tokens that begin and end thinking, if it has them."""
        read = self._tokenizer.token_to_id
        begin, end = read(prompts.THINK), read(prompts.ENOUGH)
        return None if begin is None or end is None else (begin, end)

    def opens_thinking(self, style: str, system: str, thinking: str) -> bool:
        """Whether answers to such prompts begin inside of `<think>`.

        Args:
            style: see `encode_prompt`, as the next two.
            system: likewise.
            thinking: likewise.
        """
        if self.thinking is None:
            return False
        # Of a problem that names no tag itself.
        text, _ = self._prompt("1 + 1", style, system, thinking)
        return prompts.opens_thinking(text)

    @functools.cached_property
    def known(self) -> np.ndarray:
        """`[V] bool`: ids that are tokens."""
        table = np.zeros(self.vocab_size, bool)
        table[list(self._tokenizer.get_vocab().values())] = True
        return table

    @functools.cached_property
    def is_end(self) -> np.ndarray:
        """`[V] bool`: tokens that end an answer."""
        table = np.zeros(self.vocab_size, bool)
        table[list(self.end)] = True
        return table


def _add(tokenizer, added: Mapping[int, tuple[str, bool]]) -> None:
    """Adds the tokens that only the tokenizer's configuration names.

    Raises:
        ValueError: one gets another id than the configuration says.
    """
    import tokenizers

    for number, (content, special) in added.items():
        if tokenizer.token_to_id(content) is None:
            token = tokenizers.AddedToken(
                content, special=special, normalized=False
            )
            tokenizer.add_tokens([token])
        if tokenizer.token_to_id(content) != number:
            raise ValueError(
                f"token {content!r} is number "
                f"{tokenizer.token_to_id(content)} in tokenizer.json and "
                f"{number} in tokenizer_config.json; take both from one model"
            )


def _ends(
    tokenizer, said: folders.Description, template: Template | None
) -> list[int]:
    """Ids of all tokens that end an answer.

    Those of the configurations that the tokenizer has, its own end of text,
    and what the chat template closes the assistant's turn with.

    Raises:
        ValueError: there are none.
    """
    names = {i: name for name, i in tokenizer.get_vocab().items()}
    found = [i for i in said.end if i in names]
    if "eos_token" in said.tokens:
        found.append(tokenizer.token_to_id(said.tokens["eos_token"]))
    if template is not None:
        after = prompts.closing(template)
        added = tokenizer.get_added_tokens_decoder()
        closing = [
            (len(token.content), number)
            for number, token in added.items()
            if token.special and after.startswith(token.content)
        ]
        found += [number for _, number in sorted(closing)[-1:]]
    found = [i for i in dict.fromkeys(found) if i is not None]
    if not found:
        raise ValueError(
            "no file names an end token; set eos_token_id in "
            'generation_config.json, or "end" in text.json'
        )
    return found
