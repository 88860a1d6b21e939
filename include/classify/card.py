"""A model's card: what it was made of, how it did beside others, what it says, and what it must not be used for."""

import json
from typing import Literal

from include.classify.contest import Bin, Verdict
from include.common.manifests import Manifest

PLOT_COLUMNS = 40


class Card(Manifest):
    """All that is told of a model, and of the contest that it won; or that nothing won.

    data_digest: of the rows that were learned from. since, as_of: the first and the last day of which they tell.
    folds: the months, or weeks, that the verdicts are about. verdicts: of candidates and yardsticks. winner: the name
    among them; empty where none beat the majority. rules: what the model says, in words. effects: feature → value →
    the mean of what it says of such rows. shares: feature → value → the share of rows with it, to see drift by.
    """

    format: Literal["totesys-card/1"] = "totesys-card/1"
    question: str
    description: str
    table: str
    version: str
    kind: str
    winner: str
    why: str
    since: str
    as_of: str
    population: int
    rows: int
    data_digest: str
    folds: list[str]
    verdicts: list[Verdict]
    rules: list[str]
    effects: dict[str, dict[int, float]]
    shares: dict[str, dict[int, float]]
    not_for: str
    sql: str

    def as_bytes(self) -> bytes:
        """The card as JSON: the same bytes for the same card."""
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True).encode()

    def as_markdown(self) -> str:
        """The card for people."""
        rows = [
            f"| {one.name} | {one.brier:.4f} | {one.accuracy:.2%} | {'none' if one.auc is None else f'{one.auc:.3f}'} "
            f"| {one.calibration_error:.3f} |"
            for one in self.verdicts
        ]
        return "\n".join(
            [
                f"# {self.description}",
                "",
                f"`{self.question}`, of `{self.table}`. {self.why}",
                "",
                f"* Model: {self.kind or 'none'} `{self.version}`",
                f"* Data: {self.rows:,} of {self.population:,} rows that were due from {self.since} to {self.as_of}; "
                f"digest `{self.data_digest}`",
                f"* Judged on {', '.join(self.folds) or 'nothing'}, by models that had learned from what was before",
                *([f"* Not for: {self.not_for}"] if self.not_for else []),
                "",
                "| | Brier score | accuracy | AUC | calibration error |",
                "|---|---|---|---|---|",
                *rows,
                *self._told(),
            ]
        )

    def _told(self) -> list[str]:
        won = next((one for one in self.verdicts if one.name == self.winner), None)
        if won is None:
            return []
        return [
            "",
            "## What it says",
            "",
            *(f"* {rule}" for rule in self.rules),
            "",
            "## Calibration",
            "",
            "```",
            *map(_bar, won.calibration),
            "```",
            "",
            "## As SQL",
            "",
            "```sql",
            self.sql,
            "```",
        ]


def _bar(part: Bin) -> str:
    """A line of the calibration plot: what was said as a mark, what came of it as a bar."""
    bar = ["▇" if place < round(part.came * PLOT_COLUMNS) else "·" for place in range(PLOT_COLUMNS + 1)]
    bar[round(part.said * PLOT_COLUMNS)] = "|"
    return f"said {part.said:6.1%}  {''.join(bar)}  came {part.came:6.1%}  of {part.rows:,}"
