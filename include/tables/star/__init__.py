"""The warehouse: a file per table, each of which declares `TABLE`. STAR holds them all, dimensions first."""

from importlib import import_module
from pkgutil import iter_modules

from include.tables.coherence import by_name, check_star
from include.tables.schema import Fact, StarTable
from include.tables.sources import SOURCES

_modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
_tables: list[StarTable] = sorted(
    (module.TABLE for module in _modules), key=lambda table: (isinstance(table, Fact), table.name)
)

STAR: dict[str, StarTable] = by_name(_tables)
check_star(STAR, SOURCES)
