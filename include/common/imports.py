"""Imports that take along no more than is used."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class _Hidden:
    """What is asked first where a module is: one of these packages is nowhere."""

    names: tuple[str, ...]

    def find_spec(self, name: str, *_: Any) -> None:
        if name in self.names:
            raise ModuleNotFoundError(f"{name} is hidden", name=name)


@contextmanager
def hidden(*names: str) -> Iterator[None]:
    """Have packages not be found while others are imported that would take them along if they could.

    One that has been imported before stays.
    """
    finder = _Hidden(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
