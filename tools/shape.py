"""Print the largest files and functions, and the sizes docs/style.md section 10 asks to argue for."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("tunnelmgr", "plugins", "examples", "tools", "benchmarks", "tests")
SHOWN = 15
FILE_LINES_ARGUED = 400
FUNCTION_LINES_ARGUED = 40


def functions(file: Path) -> Iterator[tuple[int, str]]:
    """Yield (lines, place) of each function, nested ones too."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            yield lines, f"{file.relative_to(ROOT)}:{node.lineno} {node.name}"


def show(title: str, sizes: list[tuple[int, str]], argued: int) -> None:
    """Print the largest, those to argue for marked."""
    print(title)
    for lines, place in sorted(sizes, reverse=True)[:SHOWN]:
        print(f"{lines:6}{' !' if lines > argued else '  '} {place}")
    print()


def main() -> None:
    """Print files, functions and the sum of each folder."""
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")]
    sizes = [(len(file.read_text().splitlines()), str(file.relative_to(ROOT))) for file in files]
    show(f"files (! above {FILE_LINES_ARGUED} lines)", sizes, FILE_LINES_ARGUED)
    measured = [size for file in files for size in functions(file)]
    show(f"functions (! above {FUNCTION_LINES_ARGUED} lines)", measured, FUNCTION_LINES_ARGUED)
    print("lines in all")
    for folder in FOLDERS:
        print(f"{sum(lines for lines, name in sizes if name.startswith(folder)):6}   {folder}/")


if __name__ == "__main__":
    main()
