"""The rooms of `include/` have an order: each may import what is below it, and nothing above. So have the tests."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

INCLUDE = Path(__file__).parents[2] / "include"
ROOMS = ("common", "tables", "lake", "state", "source", "declare", "proof", "reports", "warehouse", "classify")
"""From the ground up."""
DECLARING = {name for name in ("own", "totesys") if (INCLUDE / name).exists()}
"""Packages of declarations. They stand on the first two rooms, and nothing on them: any of them may be deleted."""
ATTIC = ("pipeline", "runner", "console", "declared", "__main__")
"""The files above all rooms, from the lowest up."""
FLOORS = [*ROOMS, *ATTIC]
TESTS = INCLUDE.parent / "tests"
ABOUT_TOTESYS = ("include.totesys", "local.totesys", "tests.totesys")
BY_THEMSELVES = {"compose", "terraform", "totesys"}
"""The folders of tests that are about ToteSys, or see the whole project at work, for which it is the example."""


def floor_of(file: Path) -> str:
    return file.relative_to(INCLUDE).with_suffix("").parts[0]


def imported(file: Path) -> Iterator[str]:
    """The dotted name of what a file imports, wherever it does."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_of(file: Path) -> set[str]:
    """The room, or the file above the rooms, of each of the project's modules that a file imports."""
    return {name.split(".")[1] for name in imported(file) if name.startswith("include.")}


def allowed(floor: str) -> set[str]:
    return {*ROOMS[:2], floor} if floor in DECLARING else set(FLOORS[: FLOORS.index(floor) + 1])


@pytest.mark.parametrize("file", sorted(INCLUDE.rglob("*.py")), ids=lambda file: str(file.relative_to(INCLUDE)))
def test_no_module_imports_one_of_a_room_above_its_own(file: Path) -> None:
    if file == INCLUDE / "__init__.py":
        assert not rooms_of(file)
        return
    assert rooms_of(file) <= allowed(floor_of(file))


def test_there_are_no_other_rooms_and_files() -> None:
    found = {path.stem for path in INCLUDE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert found == {*FLOORS, *DECLARING, "__init__"}


@pytest.mark.parametrize("room", [*ROOMS, *sorted(DECLARING)])
def test_a_room_says_in_a_line_what_belongs_in_it(room: str) -> None:
    said = ast.get_docstring(ast.parse((INCLUDE / room / "__init__.py").read_text()))
    assert said
    assert "\n" not in said


def test_whoever_deletes_totesys_takes_nothing_from_the_other_tests() -> None:
    files = [file for file in TESTS.rglob("*.py") if file.relative_to(TESTS).parts[0] not in BY_THEMSELVES]
    assert len(files) > 100
    for file in files:
        assert not [name for name in imported(file) if name.startswith(ABOUT_TOTESYS)], file
