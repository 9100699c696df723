"""Measure the house: how long files, functions and classes are, how full folders are, and which modules import in a circle.

`make shape` prints the figures beside the limits of docs/style.md section 10. `tests/test_shape.py` holds the code to them.
"""

import ast
import graphlib
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("tunnelmgr", "plugins/*/tunnelmgr_*", "examples/*/tunnelmgr_*")
EVERYTHING = ("tunnelmgr", "plugins", "examples", "tools", "benchmarks", "tests", "configs", "docs")
SHOWN = 10
"""How many of the largest are printed of each kind."""

FILE_LINES_MEDIAN = 95
FILE_LINES_P90 = 230
FILE_LINES_MAX = 420
FUNCTION_LINES_P99 = 30
CLASS_LINES_MAX = 300
FOLDER_FILES_MAX = 25


class Size(NamedTuple):
    """How large something is, and how a reader finds it: `folder/file.py:12 name`."""

    size: int
    place: str


def place(file: Path) -> str:
    """Return a path as the repository writes it."""
    return str(file.relative_to(ROOT))


def folders_of(patterns: Iterable[str]) -> list[Path]:
    """Return the folders that these patterns name."""
    return sorted(folder for pattern in patterns for folder in ROOT.glob(pattern) if folder.is_dir())


def python_files(folders: Iterable[Path]) -> list[Path]:
    """Return every Python file below these folders."""
    return sorted(file for folder in folders for file in folder.rglob("*.py"))


@cache
def parsed(file: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(file.read_text())


def file_sizes(files: Iterable[Path]) -> list[Size]:
    """Return the lines of each file."""
    return [Size(len(file.read_text().splitlines()), place(file)) for file in files]


def function_sizes(files: Iterable[Path]) -> list[Size]:
    """Return the lines of each function, nested ones too."""
    return list(_definitions(files, (ast.FunctionDef, ast.AsyncFunctionDef)))


def class_sizes(files: Iterable[Path]) -> list[Size]:
    """Return the lines of each class, nested ones too."""
    return list(_definitions(files, (ast.ClassDef,)))


def _definitions(files: Iterable[Path], kinds: tuple[type[ast.stmt], ...]) -> Iterator[Size]:
    for file in files:
        for node in ast.walk(parsed(file)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and isinstance(node, kinds):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                yield Size(lines, f"{place(file)}:{node.lineno} {node.name}")


def folder_sizes(folders: Iterable[Path]) -> list[Size]:
    """Return how many files each folder holds, folders within these too. What Python caches does not count."""
    holders = Counter(file.parent for folder in folders for file in folder.rglob("*") if file.is_file())
    return [Size(count, place(folder)) for folder, count in holders.items() if folder.name != "__pycache__"]


def percentile(sizes: Iterable[Size], percent: int) -> float:
    """Return the size that so many percent do not exceed."""
    return quantiles((size.size for size in sizes), n=100, method="inclusive")[percent - 1]


def circle(files: Iterable[Path]) -> list[str]:
    """Return the modules of an import circle, or nothing. Imports inside functions and for type checkers count too."""
    modules = {module_name(file): file for file in files}
    graph = {name: set(_imported(file, modules.keys())) - {name} for name, file in modules.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as found:
        return list(found.args[1])
    return []


def module_name(file: Path) -> str:
    """Return the name a file is imported by: packages of plugins begin at their own folder."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    first = next(index for index, part in enumerate(parts) if part.startswith("tunnelmgr") and "-" not in part)
    return ".".join(parts[first:]).removesuffix(".__init__")


def _imported(file: Path, modules: Iterable[str]) -> Iterator[str]:
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from package import module` needs the module; `from package import Name` needs the package.
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from (members & set(modules)) or ({node.module} & set(modules))


def show(title: str, sizes: list[Size], limit: int) -> None:
    """Print the largest, those above the limit marked."""
    print(f"{title} (! above {limit})")
    for size, where in sorted(sizes, reverse=True)[:SHOWN]:
        print(f"{size:6}{' !' if size > limit else '  '} {where}")
    print()


def main() -> None:
    """Print the figures of the product, what is largest in it, and the lines of each folder."""
    product = python_files(folders_of(PRODUCT))
    files, functions, classes = file_sizes(product), function_sizes(product), class_sizes(product)
    print(f"file lines: median {percentile(files, 50):.0f} (at most {FILE_LINES_MEDIAN})")
    print(f"file lines: 90 % within {percentile(files, 90):.0f} (at most {FILE_LINES_P90})")
    print(f"function lines: 99 % within {percentile(functions, 99):.0f} (at most {FUNCTION_LINES_P99})")
    print(f"import circle: {' -> '.join(circle(product)) or 'none'}\n")
    show("longest files", files, FILE_LINES_MAX)
    show("longest classes", classes, CLASS_LINES_MAX)
    show("longest functions", functions, FUNCTION_LINES_P99)
    show("fullest folders", folder_sizes(folders_of(EVERYTHING)), FOLDER_FILES_MAX)
    print("lines of Python")
    for name, folders in [("product", PRODUCT), *((folder, (folder,)) for folder in EVERYTHING)]:
        if lines := sum(size.size for size in file_sizes(python_files(folders_of(folders)))):
            print(f"{lines:6}   {name}")


if __name__ == "__main__":
    main()
