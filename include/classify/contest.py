"""The contest: candidates are judged on what came after they had learned, and the simplest that is not beaten wins."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from include.classify.model import Floats
from include.classify.rows import EPOCH, Counts
from include.common.manifests import Manifest

FOLDS = 6
"""The newest months, or weeks, on which candidates are judged: each has learned from all that was before."""

FEWEST_MONTHS = 3

FEWEST = 100
"""From how many rows on anything is learned, or judged."""

SIGMAS = 3.0
"""By how many standard errors a difference is more than noise."""

RELATIVE = 0.01
"""A difference of Brier scores below this share of the majority's is of no use, however certain it is."""

BINS = 10


class Bin(Manifest):
    """Rows with probabilities from `low` on, up to the next bin: what was said of them, and what came of them."""

    low: float
    rows: int
    said: float
    came: float


class Verdict(Manifest):
    """How a model did on rows that it had not learned from.

    calibration_error: the mean distance of what was said from what came, over bins of probabilities.
    """

    name: str
    rows: int
    brier: float
    accuracy: float
    auc: float | None
    calibration_error: float
    calibration: list[Bin]


@dataclass(frozen=True)
class Fold:
    """What is learned from, and what is judged by. name: the month, or the week's first day."""

    name: str
    learned: Counts
    judged: Counts


@dataclass
class Judged:
    """What models said in all folds, one after another."""

    labels: npt.NDArray[np.bool_]
    rows: npt.NDArray[np.int64]
    said: dict[str, Floats] = field(default_factory=dict)


def folds_of(counts: Counts) -> list[Fold]:
    """The folds of the backtest: by month, or where there are fewer than FEWEST_MONTHS by week."""
    months = _months(counts.days)
    unit = months if len(set(months.tolist())) >= FEWEST_MONTHS else _weeks(counts.days)
    names = sorted(set(unit.tolist()))
    folds = [Fold(str(name), counts.only(unit < name), counts.only(unit == name)) for name in names[1:]]
    return [fold for fold in folds if fold.learned.total >= FEWEST and fold.judged.total][-FOLDS:]


def _dates(days: npt.NDArray[np.int32]) -> npt.NDArray[np.datetime64]:
    return np.datetime64(EPOCH) + days.astype("timedelta64[D]")


def _months(days: npt.NDArray[np.int32]) -> npt.NDArray[np.str_]:
    return np.datetime_as_string(_dates(days).astype("datetime64[M]"))


def _weeks(days: npt.NDArray[np.int32]) -> npt.NDArray[np.str_]:
    """The Monday of each day's week: 1970-01-01 was a Thursday."""
    return np.datetime_as_string(_dates((days - (days + 3) % 7).astype(np.int32)))


def verdict(name: str, judged: Judged) -> Verdict:
    """How a model did in all folds together."""
    said, labels, rows = judged.said[name], judged.labels, judged.rows
    bins = calibration(said, labels, rows)
    total = int(rows.sum())
    return Verdict(
        name=name,
        rows=total,
        brier=_six(np.average((said - labels) ** 2, weights=rows)),
        accuracy=_six(np.average((said >= 0.5) == labels, weights=rows)),
        auc=_auc(said, judged),
        calibration_error=_six(sum(part.rows * abs(part.said - part.came) for part in bins) / total),
        calibration=bins,
    )


def _auc(said: Floats, judged: Judged) -> float | None:
    from sklearn.metrics import roc_auc_score  # which only training has in memory

    if len(set(judged.labels.tolist())) < 2:
        return None
    return _six(roc_auc_score(judged.labels, said, sample_weight=judged.rows))


def calibration(said: Floats, labels: npt.NDArray[np.bool_], rows: npt.NDArray[np.int64]) -> list[Bin]:
    """What was said and what came, by tenths of probability; tenths without rows are left out."""
    place = np.minimum((said * BINS).astype(int), BINS - 1)
    bins = []
    for low in np.unique(place):
        inside = place == low
        weights = rows[inside]
        means = (_six(np.average(values[inside], weights=weights)) for values in (said, labels))
        bins.append(Bin(low=float(low) / BINS, rows=int(weights.sum()), said=next(means), came=next(means)))
    return bins


def beats(judged: Judged, one: str, other: str) -> bool:
    """Whether a model is better than another beyond noise."""
    labels, rows = judged.labels, judged.rows
    gained = (judged.said[other] - labels) ** 2 - (judged.said[one] - labels) ** 2
    mean, total = np.average(gained, weights=rows), rows.sum()
    error = np.sqrt(np.sum(rows * (gained - mean) ** 2)) / total
    base = np.average(labels, weights=rows)
    return bool(mean > SIGMAS * error and mean > RELATIVE * base * (1 - base))


def winner(judged: Judged, learned: list[str], yardstick: str) -> str | None:
    """The simplest learned model that none of the others beats; None where it does not beat the yardstick either.

    learned: from the simplest on.
    """
    for one in learned:
        if not any(beats(judged, other, one) for other in learned):
            return one if beats(judged, one, yardstick) else None
    return None


def _six(number: float) -> float:
    return round(float(number), 6)
