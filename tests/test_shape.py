"""The house keeps its shape: short files, short functions, no circles, no crowded folders (docs/style.md section 10)."""

from collections import Counter
from typing import NamedTuple

from tools import shape
from tools.shape import (
    CLASS_LINES_MAX,
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
OURS = shape.python_files(folders_of(PRODUCT[:2]))
"""Without the example, which is a stranger's."""


class Twin(NamedTuple):
    """A class name that stands in several places for one idea."""

    name: str
    times: int
    reason: str


TWINS = [
    Twin("Drop", 2, "why a packet was dropped, of 6in4 and of Teredo: plugins share no code"),
    Twin("Exit", 2, "what `exit:` says of a Teredo server and of a TSP broker: plugins share no code"),
    Twin("Host", 2, "a machine whose network is changed: this one, and one of the lab"),
    Twin("NatKind", 2, "the kinds of a NAT: as detected, and as the lab builds them"),
    Twin("Refused", 2, "a packet that was dropped, of 6in4 and of Teredo: plugins share no code"),
    Twin("Site", 2, "a network behind a router, simulated and in namespaces"),
]


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


def test_a_class_is_taken_in_at_a_glance_too() -> None:
    assert larger_than(CLASS_LINES_MAX, shape.class_sizes(FILES)) == []


def test_a_class_name_has_one_meaning() -> None:
    names = Counter(size.place.split()[-1] for size in shape.class_sizes(OURS))
    assert {name: times for name, times in names.items() if times > 1} == {twin.name: twin.times for twin in TWINS}
