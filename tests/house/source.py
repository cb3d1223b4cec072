"""The source tree of mmupt as data: its modules, what each imports, and how long its functions are."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "mmupt"

ROOMS = (
    "types",
    "errors",
    "suggest",
    "registry",
    "shipped",
    "config",
    "disk",
    "journal",
    "environment",
    "rundir",
    "console",
    "launch",
    "lifeline",
    "prompts",
    "answers",
    "voting",
    "rewards",
    "problems",
    "synthesis",
    "benchmarks",
    "judges",
    "metrics",
    "reporting",
    "sampling",
    "training",
    "merging",
    "tiny",
    "stages",
    "cli",
    "__main__",
)
"""From top to bottom: a module imports from its own room and from those above it."""

LEAF_ROOMS = ("sampling", "training", "merging", "tiny")
"""Where the heavy libraries may be imported at the top of a file."""

HEAVY = {
    "torch",
    "torchvision",
    "transformers",
    "vllm",
    "trl",
    "deepspeed",
    "peft",
    "accelerate",
    "datasets",
    "safetensors",
    "numpy",
    "pandas",
    "pyarrow",
    "PIL",
    "matplotlib",
    "rich",
    "sympy",
    "math_verify",
    "qwen_vl_utils",
}


@dataclass(frozen=True)
class Import:
    """One imported module, as far as its name tells."""

    name: str
    lazy: bool
    """Inside a function, or only for the type checker."""


@dataclass(frozen=True)
class Module:
    """One file."""

    name: str
    path: Path
    lines: int
    imports: tuple[Import, ...]
    functions: tuple[tuple[str, int], ...]
    """Qualified name and length in lines of each function and method."""

    @property
    def room(self) -> str:
        return self.name.split(".")[1] if "." in self.name else ""


@cache
def modules() -> dict[str, Module]:
    """Every module by its dotted name."""
    files = [file for file in sorted(PACKAGE.rglob("*.py")) if "_data" not in file.parts]
    known = {_name(file) for file in files}
    return {_name(file): _module(file, known) for file in files}


def _name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _module(file: Path, known: set[str]) -> Module:
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    functions = tuple(_functions(tree, ""))
    return Module(_name(file), file, len(text.splitlines()), tuple(_imports(tree, known)), functions)


def _imports(node: ast.AST, known: set[str], lazy: bool = False) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, lazy) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0 and child.module, "imports are written in full"
            for alias in child.names:
                inner = f"{child.module}.{alias.name}"
                yield Import(inner if inner in known else child.module, lazy)
        else:
            typing_only = isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(child, known, lazy or inside or typing_only)


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, int]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{child.name}", (child.end_lineno or child.lineno) - child.lineno + 1
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
