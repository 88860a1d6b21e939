"""What is believed of a source: not that most of a table's rows were deleted at once, until somebody says so."""

from include.tables.source import SourceTable

LEAST_KEYS = 1000
"""From how many known keys on a table is guarded: of a small one, most may well go at once."""


def doubt(table: SourceTable, known: int, gone: int, current: int) -> str:
    """Why it is not believed that `gone` of `known` keys of a table were deleted; empty where it is.

    current: how many it has now. Of rows without a key as many are gone as there are fewer: one that changed has
    another number. The text names both numbers, and how to accept the deletions.
    """
    gone = max(known - current, 0) if table.keyless else gone
    if known < LEAST_KEYS or gone <= table.believed_deletions * known:
        return ""
    return (
        f"{table.name}: {gone:,} of {known:,} known rows are gone from the source at once, which is not believed; the "
        f"table is held back as it was. If they were really deleted, accept it: run with accept_deletions "
        f"{table.name} (python -m include run --accept-deletions {table.name})"
    )
