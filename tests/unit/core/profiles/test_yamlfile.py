"""YAML of a profile: what words mean, where they stand, and what is refused."""

import pytest

from tunnelmgr.core.profiles.yamlfile import (
    DEPTH_MAX,
    SIZE_MAX,
    MappingNode,
    Plain,
    ScalarNode,
    SequenceNode,
    Span,
    plain,
    read_yaml,
)


def meaning(text: str) -> Plain:
    document = read_yaml(text)
    assert document.faults == ()
    return plain(document.root)


@pytest.mark.parametrize(
    "text",
    [
        "2001:10:20:30:40:50:1:2",  # YAML 1.1: a sexagesimal integer
        "1:30", "on", "off", "yes", "No", "y", "0x1F", "0o17", "0b1", "1_000", "2026-11-23", "2026-11-23 05:22:00",
        ".inf", ".nan", "=", "<<", "tRue", "192.0.2.1", "::1", "2001:db8::1", "+", "1e", "9" * 19,
    ],
)  # fmt: skip
def test_what_is_not_of_the_core_schema_is_text(text: str) -> None:
    assert meaning(f"key: {text}") == {"key": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        ("0", 0), ("-12", -12), ("+7", 7), ("1.5", 1.5), (".5", 0.5), ("2.", 2.0), ("1e3", 1000.0),
    ],
)  # fmt: skip
def test_constants_and_decimal_numbers_mean_what_they_say(text: str, value: Plain) -> None:
    found = meaning(f"key: {text}")
    assert found == {"key": value}
    assert isinstance(found, dict)
    assert type(found["key"]) is type(value)


@pytest.mark.parametrize("text", ["'true'", '"12"', "'~'", "|-\n  true", ">-\n  12"])
def test_what_is_quoted_is_text(text: str) -> None:
    assert meaning(f"key: {text}") == {"key": text.strip("'\"|>-\n ")}


def test_every_key_and_value_knows_its_place() -> None:
    root = read_yaml("a: one\nlist:\n  - {b: [two, 'three']}\n").root
    assert isinstance(root, MappingNode)
    (a, one), (key, items) = root.items
    assert (a.place, one.place) == (Span(1, 1, 1), Span(1, 4, 3))
    assert key.place == Span(2, 1, 4)
    assert isinstance(items, SequenceNode)
    (inner,) = items.items
    assert isinstance(inner, MappingNode)
    assert inner.place.column == 5
    ((_, values),) = inner.items
    assert isinstance(values, SequenceNode)
    assert [value.place for value in values.items] == [Span(3, 10, 3), Span(3, 15, 7)]


def test_columns_count_characters() -> None:
    root = read_yaml("ключ: {é: x}").root
    assert isinstance(root, MappingNode)
    inner = root.items[0][1]
    assert isinstance(inner, MappingNode)
    assert inner.items[0][1].place == Span(1, 11, 1)


def test_an_empty_file_is_an_empty_word() -> None:
    assert read_yaml("# nothing\n").root == ScalarNode(Span(1, 1), None, "")


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1, "key 'a' is given twice"),
        ("a: &x 1\n", 1, 4, "anchor '&x'"),
        ("a: 1\nb: *x\n", 2, 4, "alias '*x'"),
        ("a: !x 1\n", 1, 4, "tag '!x'"),
        ("a: {b: !x}\n", 1, 8, "a tag"),
        ("a: !!python/object:os.system 1\n", 1, 4, "tag 'tag:yaml.org,2002:python/object:os.system'"),
        ("? [a]\n: 1\n", 1, 3, "a list or mapping as a key"),
        ("a: 1\n---\nb: 2\n", 2, 1, "a second document begins"),
        ("a: 2001:db8::\n", 1, 13, "a ':' where none may be"),
        ("a: [::1]\n", 1, 5, "a value begins with ':'"),
        ("a:\n\tb: 1\n", 2, 1, "a tab"),
        ("a: 1\nb: {c: 2\n", 2, 4, "'{' is never closed"),
        ("a: 'b\n", 1, 4, '"\'" is never closed'),
        ("a: @b\n", 1, 4, "a value begins with '@'"),
        ("a: *\n", 1, 4, "a value begins with '*'"),
        (" a: 1\nb: 2\n", 2, 1, "this line does not belong to the lines above it"),
        ("a: 1\nb\n", 2, 1, "'b' is not 'key: value'"),
        ("a: b\x01\n", 1, 5, "the character '\\x01' is not allowed in YAML"),
        ("[" * (DEPTH_MAX + 2) + "]" * (DEPTH_MAX + 2), 1, 1, "lists and mappings are too deeply nested"),
        ("[" * 5000, 1, 1, "lists and mappings are too deeply nested"),
        ("ä" * (SIZE_MAX // 2 + 1), 0, 0, f"the file is longer than {SIZE_MAX} bytes"),
    ],
)
def test_a_fault_has_its_place(text: str, line: int, column: int, message: str) -> None:
    (fault,) = read_yaml(text).faults
    assert (fault.place.line, fault.place.column, fault.message) == (line, column, message)


def test_faults_beside_syntax_are_all_found() -> None:
    assert len(read_yaml("a: !x 1\na: &y 2\nb: *y\n").faults) == 4


def test_aliases_are_never_expanded() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{name}: &{name} [*{last}, *{last}]\n" for last, name in zip("abcdefg", "bcdefgh", strict=True)
    )
    document = read_yaml(bomb)
    assert len(str(plain(document.root))) < 1000
    assert len(document.faults) == 8 + 14
