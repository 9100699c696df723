"""Documentation that can be checked: links lead somewhere, hooks are described and tested, ids are unique."""

import ast
import re
from pathlib import Path

import pytest

from tests.documents import DOCUMENTS, ROOT, name_of
from tunnelmgr.api import hookspecs

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
REQUIREMENT = re.compile(r"^\| *([A-Z]+(?:-[A-Z0-9]+)?-\d{2,3}) *\|", re.MULTILINE)

CITED_TEST = re.compile(r"`([\w/.-]+/test_\w+\.py)::(\w+)`")

HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("tunnelmgr_"))


def functions_of(file: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def functions_of_tests() -> set[str]:
    return {name for file in (ROOT / "tests").rglob("test_*.py") for name in functions_of(file)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_within_the_repository_lead_somewhere(document: Path) -> None:
    targets = [target for target in LINK.findall(document.read_text()) if "://" not in target]
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_a_test_a_document_cites_exists() -> None:
    cited = {citation for document in DOCUMENTS for citation in CITED_TEST.findall(document.read_text())}
    assert {file for file, _ in cited} >= {"tests/process/test_control.py"}, "docs/security.md cites tests"
    files = {file: functions_of(ROOT / file) if (ROOT / file).exists() else set() for file, _ in cited}
    assert sorted(f"{file}::{name}" for file, name in cited if name not in files[file]) == []


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_says_when_it_is_called_and_what_happens_if_it_raises(hook: str) -> None:
    text = getattr(hookspecs, hook).__doc__ or ""
    assert "Called" in text
    assert "exception" in text


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_has_a_test_of_its_name(hook: str) -> None:
    name = f"test_hook_{hook.removeprefix('tunnelmgr_')}"
    assert any(function.startswith(name) for function in functions_of_tests()), f"write {name}"


def test_a_requirement_has_one_definition() -> None:
    found = [identifier for document in DOCUMENTS for identifier in REQUIREMENT.findall(document.read_text())]
    assert len(found) == len(set(found)) > 0
