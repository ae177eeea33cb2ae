"""Who may import whom, read from the sources with `ast`."""

from __future__ import annotations

import ast
import pathlib
import subprocess
import sys
import tomllib
from typing import NamedTuple

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = "jaxlrm"

# A module imports only what stands above it. `a.*` is every module of package
# `a`, among which the order is free; `a` itself is its __init__.py, and the
# last row is that of the whole package. Words after a name are what it must do
# without: `jax` (and what brings it), `absl`.
LAYERS = """
    config.checks        jax absl
    config.model         jax absl
    config.*             jax absl
    config               jax absl
    files                jax absl
    locks                jax absl
    machine              jax absl
    hub                  jax
    text.templates       jax
    text.pieces          jax
    text.delimiters      jax
    text.folder          jax
    text.gguf            jax absl
    text.prompts         jax
    text.growth          jax absl
    text.tokens          jax
    text.outputs         jax
    text.training        jax
    text                 jax
    verify.verdict       jax
    extend               jax
    verify.inputs        jax
    verify.blocks        jax
    verify.workers.*     jax
    verify.workers       jax
    verify.answers.exact        jax
    verify.answers.lines        jax
    verify.answers.primes       jax
    verify.answers.spellings    jax
    verify.answers.printed      jax
    verify.answers.normal       jax
    verify.answers.qualifiers   jax
    verify.answers.units        jax
    verify.answers.syntax.*     jax
    verify.answers.syntax       jax
    verify.answers.rational     jax
    verify.answers.modular      jax
    verify.answers.evaluation   jax
    verify.answers.numerical    jax
    verify.answers.floats       jax
    verify.answers.phrases      jax
    verify.answers.boxes        jax
    verify.answers.completion   jax
    verify.answers.sentences    jax
    verify.answers.extract      jax
    verify.answers.scalars      jax
    verify.answers.regions      jax
    verify.answers.equivalence.* jax
    verify.answers.equivalence  jax
    verify.answers.algebra      jax
    verify.answers.comparison   jax
    verify.answers.grading      jax
    verify.answers              jax
    verify.__main__      jax
    verify.steps.malformed      jax
    verify.steps.deduction.*    jax
    verify.steps.deduction      jax
    verify.steps.*       jax
    verify.steps         jax
    verify.programs.*    jax
    verify.programs      jax
    verify               jax
    verify.judging       jax
    verify.verifiers     jax
    models.sharding
    models.products
    models.params
    models.rope
    models.experts
    models.fingerprint
    models.segments
    models.cache
    models.kernels
    models.attention
    models.transformer
    models.reward
    models.architectures jax absl
    models.hf_rope       jax absl
    models.hf_config     jax absl
    models.hf_tensors    jax absl
    models.streams       jax absl
    models.lora          jax absl
    models.gguf          jax absl
    models.gguf_config   jax absl
    models.gguf_names    jax absl
    models.hf_table
    models.placing
    models.hf
    models.convert
    models.checkpoint
    models
    limits
    decode.sampling
    decode.allowance
    decode.write
    decode
    search.tree
    search.base
    search.select
    search.retry
    search.strategies
    search.problem
    search.lockstep
    search.loop
    search
    engine.calibrate     jax
    engine.binding
    engine.plan
    engine.callback
    engine.problems      jax
    engine.solution      jax
    engine.chains        jax
    engine.voting
    engine.host
    engine.learned
    engine.tables
    engine.defaults
    engine.layout
    engine.footprint
    engine.memory
    engine.fitting
    engine.lowering
    engine.compiled
    engine.run
    engine.engine
    engine.loading
    engine
    train.*
    train
    evaluate.rows        jax absl
    evaluate.columns     jax absl
    evaluate.datasets    jax
    evaluate.drawn       jax
    evaluate.records     jax absl
    evaluate.summary     jax absl
    evaluate.tables      jax absl
    evaluate.run
    evaluate.words       jax absl
    evaluate.tree        jax
    evaluate.view        jax
    evaluate
    testing.tiny
    testing.scripts
    testing
    jaxlrm
    families.training.*
    families.training
    families.rules.*     jax
    families.rules       jax
    families.*           jax
    families             jax
"""

# Search sees callables and arrays only: of what stands above it, just this.
SEARCH_MAY_IMPORT = (
    "config",
    "decode",
    "decode.allowance",
    "limits",
    "decode.sampling",
    "models",
    "models.sharding",
    "verify.verdict",
)
# Nothing in the package reaches for what is built on it.
# The families are an extension: last, so that nothing imports them, and built
# on what docs/extend.md offers to any other.
FAMILIES_MAY_IMPORT = (
    "config",
    "engine.engine",
    "engine.solution",
    "extend",
    "train.rollouts",
    "verify.answers",
    "verify.blocks",
    "verify.inputs",
    "verify.verdict",
)
OUTSIDE = ("launch", "jaxlrm_launch", "configs", "colab", "tests", "benchmarks")
WITHOUT = {
    "jax": ("jax", "jaxlib", "flax", "optax", "orbax", "chex"),
    "absl": ("absl",),
}


class Row(NamedTuple):
    """A line of `LAYERS`: its height and the packages it must not import."""

    height: int
    without: tuple[str, ...]


ROWS = {
    words[0]: Row(height, tuple(words[1:]))
    for height, words in enumerate(map(str.split, LAYERS.split("\n")[1:-1]))
}


def row_of(module: str) -> Row | None:
    """The row of a module named without the package; None if it has none."""
    return ROWS.get(module) or ROWS.get(f"{module.rpartition('.')[0]}.*")


def modules(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Every module under `folder`, by its name below the package."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        found[".".join(parts) or PACKAGE] = path
    return found


MODULES = modules(ROOT / PACKAGE)


def imports(source: str, module: str, is_package: bool) -> list[str]:
    """The full names that `source` imports, wherever in it.

    `from a import b` gives `a.b`, which is a module or a name in one: see
    `resolve`. Names given as text to `import_module` count.
    """
    here = PACKAGE if module == PACKAGE else f"{PACKAGE}.{module}"
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = here.split(".")
                keep = len(parts) - node.level + is_package
                base = ".".join([*parts[:keep], *filter(None, [base])])
            found += [f"{base}.{alias.name}" for alias in node.names]
        elif (
            isinstance(node, ast.Call)
            and node.args
            and ast.unparse(node.func).endswith(("import_module", "__import__"))
            and isinstance(node.args[0], ast.Constant)
        ):
            name = str(node.args[0].value)
            found.append(f"{here}{name}" if name.startswith(".") else name)
    return found


def resolve(name: str, known=MODULES) -> str | None:
    """The module of the package that a full name lies in, else None."""
    parts = name.split(".")
    if parts[0] != PACKAGE:
        return None
    inner = parts[1:]
    while inner and ".".join(inner) not in known:
        inner.pop()
    return ".".join(inner) or PACKAGE


def breaches(module: str, source: str, is_package: bool = False) -> list[str]:
    """What `source`, as the text of `module`, imports and may not."""
    row = row_of(module)
    found = []
    for name in imports(source, module, is_package):
        top = name.split(".")[0]
        if top in OUTSIDE:
            found.append(f"{module} imports {name}, built on {PACKAGE}")
        for banned in row.without:
            if top in WITHOUT[banned]:
                found.append(f"{module} imports {name}, not {banned}-free")
        target = resolve(name)
        if target is None or target == module:
            continue
        above = row_of(target)
        if above is None:  # test_every_module_has_a_row says so
            continue
        if above.height > row.height:
            found.append(f"{module} imports {target}, which stands below it")
        if "jax" in row.without and "jax" not in above.without:
            found.append(f"{module} imports {target}, which is not jax-free")
        if (
            module.split(".")[0] == "search" != target.split(".")[0]
            and target not in SEARCH_MAY_IMPORT
        ):
            found.append(f"{module} imports {target}; pass it as a callable")
        if module.split(".")[0] == "families" != target.split(".")[0] and not (
            f"{target}.".startswith(
                tuple(f"{name}." for name in FAMILIES_MAY_IMPORT)
            )
        ):
            found.append(f"{module} imports {target}, not for extensions")
    return found


def test_every_module_has_a_row():
    missing = [module for module in MODULES if row_of(module) is None]
    assert not missing, f"give these a row in LAYERS: {missing}"


def test_shipped_weights_are_data():
    assert not [m for m in MODULES if m.split(".")[0] == "weights"]


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_what_stands_above(module):
    path = MODULES[module]
    is_package = path.name == "__init__.py"
    assert not breaches(module, path.read_text("utf-8"), is_package)


@pytest.mark.parametrize(
    ("module", "source", "is_package"),
    [
        ("config", "import jax.numpy as jnp", False),
        ("config", "from absl import flags", False),
        ("text", "def f():\n    from flax import struct", False),
        ("config", "from jaxlrm import extend", False),
        ("verify.judging", "from jaxlrm.families import task", False),
        ("families.linear", "from jaxlrm.models import sharding", False),
        ("families", "from .. import testing; from .. import engine", True),
        ("families.linear", "from .. import jaxlrm, models", False),
        ("families.linear", "from jaxlrm.verify.steps import chains", False),
        ("testing", "import launch.solve", False),
        ("models.sharding", "from configs import mini", False),
        ("config", "import jaxlrm", False),
        ("search.select", "from jaxlrm.models import transformer", False),
        ("search.select", "import jaxlrm.text", False),
        ("config", "importlib.import_module('jaxlrm.models.sharding')", False),
    ],
)
def test_a_breach_is_seen(module, source, is_package):
    assert breaches(module, source, is_package)


@pytest.mark.parametrize(
    ("module", "source", "is_package"),
    [
        (
            "models.sharding",
            "import jax\nfrom jaxlrm.config import ModelConfig",
            False,
        ),
        ("families.linear", "from jaxlrm.families import task", False),
        ("families", "from . import task\nfrom .. import extend", True),
        ("engine.callback", "import jax", False),
        ("search.select", "import jax\nfrom jaxlrm import config", False),
        ("jaxlrm", "importlib.import_module('.models')", True),
    ],
)
def test_a_lawful_import_is_not(module, source, is_package):
    assert not breaches(module, source, is_package)


@pytest.mark.parametrize("module", ["config", "text", "verify", "families"])
def test_importing_leaves_jax_out(module):
    if module not in MODULES:
        pytest.skip(f"{PACKAGE}.{module} is not written yet")
    script = (
        f"import sys, {PACKAGE}.{module}; "
        "sys.exit('jax was imported' if 'jax' in sys.modules else 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "path", sorted((ROOT / "launch").glob("*.py")), ids=lambda path: path.stem
)
def test_programs_import_each_other_relatively(path):
    """The wheel installs launch/ under another name (see pyproject.toml)."""
    absolute = [
        name
        for name in imports(path.read_text("utf-8"), "launch", False)
        if name.split(".")[0] == "launch"
    ]
    assert not absolute, f"write `from . import …` for {absolute}"


def test_the_wheel_holds_every_package_and_program():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = {
        ".".join([PACKAGE, *([] if name == PACKAGE else [name])])
        for name, path in MODULES.items()
        if path.name == "__init__.py"
    }
    listed = set(project["tool"]["setuptools"]["packages"])
    assert listed == packages | {"jaxlrm_launch"}
    programs = {
        f"jaxlrm-{path.stem}": f"jaxlrm_launch.{path.stem}:run"
        for path in (ROOT / "launch").glob("*.py")
        if "\ndef main(" in path.read_text("utf-8")
    }
    assert project["project"]["scripts"] == programs
