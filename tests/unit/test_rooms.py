"""The rooms of `include/` have an order: each may import what is below it, and nothing above."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

INCLUDE = Path(__file__).parents[2] / "include"
ROOMS = ("common", "tables", "totesys", "lake", "state", "source", "declare", "proof", "reports", "warehouse")
"""From the ground up."""
ATTIC = ("pipeline", "runner", "console", "declared", "__main__")
"""The files above all rooms, from the lowest up."""
FLOORS = [*ROOMS, *ATTIC]


def floor_of(file: Path) -> str:
    return file.relative_to(INCLUDE).with_suffix("").parts[0]


def imported(file: Path) -> Iterator[str]:
    """The room, or the file above the rooms, of each of the project's modules that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(file.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("include."))


@pytest.mark.parametrize("file", sorted(INCLUDE.rglob("*.py")), ids=lambda file: str(file.relative_to(INCLUDE)))
def test_no_module_imports_one_of_a_room_above_its_own(file: Path) -> None:
    if file == INCLUDE / "__init__.py":
        assert not list(imported(file))
        return
    own = FLOORS.index(floor_of(file))
    above = {name for name in imported(file) if FLOORS.index(name) > own}
    assert not above


def test_there_are_no_other_rooms_and_files() -> None:
    found = {path.stem for path in INCLUDE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()} - {
        "own"
    }
    assert found == {*FLOORS, "__init__"}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_in_a_line_what_belongs_in_it(room: str) -> None:
    said = ast.get_docstring(ast.parse((INCLUDE / room / "__init__.py").read_text()))
    assert said
    assert "\n" not in said
