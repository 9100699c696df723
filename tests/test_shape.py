"""The house keeps its shape: short files, short functions, no circles, no crowded folders (docs/style.md section 10)."""

from tools import shape
from tools.shape import (
    EVERYTHING,
    FILE_LINES_MAX,
    FILE_LINES_MEDIAN,
    FILE_LINES_P90,
    FOLDER_FILES_MAX,
    FUNCTION_LINES_P99,
    PRODUCT,
    Size,
    folders_of,
    percentile,
)

FILES = shape.python_files(folders_of(PRODUCT))


def larger_than(limit: int, sizes: list[Size]) -> list[Size]:
    return sorted((size for size in sizes if size.size > limit), reverse=True)


def test_most_files_are_read_in_one_sitting() -> None:
    sizes = shape.file_sizes(FILES)
    assert percentile(sizes, 50) <= FILE_LINES_MEDIAN
    assert percentile(sizes, 90) <= FILE_LINES_P90
    assert larger_than(FILE_LINES_MAX, sizes) == []


def test_a_function_fits_on_a_screen() -> None:
    sizes = shape.function_sizes(FILES)
    assert percentile(sizes, 99) <= FUNCTION_LINES_P99, larger_than(FUNCTION_LINES_P99, sizes)


def test_modules_do_not_import_in_a_circle() -> None:
    assert shape.circle(FILES) == []


def test_a_folder_is_taken_in_at_a_glance() -> None:
    assert larger_than(FOLDER_FILES_MAX, shape.folder_sizes(folders_of(EVERYTHING))) == []
