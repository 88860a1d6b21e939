"""Business time: Monday to Friday, 08:00 to 19:00, as one unbroken run of milliseconds."""

import numpy as np

from local.totesys.wire import Ints

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
OPENING_MS = 8 * HOUR_MS
BUSINESS_DAY_MS = 11 * HOUR_MS
CLOSING_MS = 19 * HOUR_MS + 11_000  # by then the last deal of the day is struck
BATCH_MS = 7 * HOUR_MS + 55 * 60_000 + 11_000  # the payment batch runs at 07:55:11
MONDAY_MS = int(np.datetime64("2022-10-31", "ms").astype(np.int64))

# Source: totesys.md. The oldest row is of Thursday 2022-11-03 14:20:49.962, the dump of Thursday 2024-08-22.
FIRST_MS = 3 * BUSINESS_DAY_MS + 6 * HOUR_MS + 20 * 60_000 + 49_962
END_MS = (94 * 5 + 4) * BUSINESS_DAY_MS


def midnight_ms(business_day: Ints) -> Ints:
    """Unix milliseconds of the midnight that begins each business day (0 is Monday 2022-10-31)."""
    weeks, weekdays = np.divmod(business_day, 5)
    return MONDAY_MS + (weeks * 7 + weekdays) * DAY_MS


def unix_ms(business_ms: Ints) -> Ints:
    """Unix milliseconds (UTC) of moments in business time."""
    days, within = np.divmod(business_ms, BUSINESS_DAY_MS)
    return midnight_ms(days) + OPENING_MS + within
