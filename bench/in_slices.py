"""ToteSys, whose sales orders are declared to be read in slices: of about so many rows as BENCH_SLICE_ROWS says."""

import os
from dataclasses import replace

from include import totesys
from include.tables.declarations import Declarations
from tests.declared import replacing

SOURCE = "sales_order"


def declare(slice_rows: int) -> Declarations:
    """The set in which slices of sales orders have so many rows."""
    return replacing(totesys.DECLARED, replace(totesys.DECLARED.sources[SOURCE], slice_rows=slice_rows))


DECLARED = declare(int(os.environ.get("BENCH_SLICE_ROWS", "250000")))
