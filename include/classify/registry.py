"""Models in the state bucket: each written once under its version, and which one is champion, replaced only as read."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError

from include.classify.card import Card
from include.classify.model import Model
from include.common.errors import DataError, ServiceError
from include.common.manifests import Manifest
from include.common.settings import STATE_BUCKET, required_variable
from include.lake.files import MissingFileError, is_there, read_current, read_file, replace_file

ATTEMPTS = 5
"""How often a change is tried again when another writer was faster."""

MOST = 200
"""How many changes of champion, and trainings, are remembered."""


class Promotion(Manifest):
    """That a model became champion. since: the first day that it learned from, where not all that is known counted."""

    version: str
    at: AwareDatetime
    why: str
    since: date | None = None


class Training(Manifest):
    """That models were trained: from data up to which day, and what came of it. version: of the model that won."""

    at: AwareDatetime
    as_of: str
    version: str
    outcome: str


class Standing(Manifest):
    """The whole of champion.json: who was champion when, the newest last, and what was trained."""

    format: Literal["totesys-champion/1"] = "totesys-champion/1"
    promotions: list[Promotion] = Field(default_factory=list)
    trainings: list[Training] = Field(default_factory=list)

    @property
    def champion(self) -> str:
        """The version of the champion; empty for none."""
        return self.promotions[-1].version if self.promotions else ""

    def trained(self, training: Training) -> "Standing":
        """With one training more."""
        return self.model_copy(update={"trainings": [*self.trainings, training][-MOST:]})

    @property
    def since(self) -> date | None:
        """From which day on what happened counts for the champion; None for all."""
        return self.promotions[-1].since if self.promotions else None

    def promoted(self, version: str, why: str, since: date | None = None) -> "Standing":
        """With another champion."""
        promotion = Promotion(version=version, at=datetime.now(UTC), why=why, since=since)
        return self.model_copy(update={"promotions": [*self.promotions, promotion][-MOST:]})


def keep(model: Model, card: Card) -> None:
    """Write a model and its card under its version; one that is there already is the same, and stays.

    Raises: as `lake_errors`.
    """
    bucket = required_variable(STATE_BUCKET)
    for key, content in (
        (card_key(model.question, model.version), card.as_bytes()),
        (_model_key(model.question, model.version), model.as_bytes()),
    ):
        if not is_there(bucket, key):
            replace_file(bucket, key, content, None)


def read_model(question: str, version: str) -> Model:
    """A model that was kept. Raises: DataError where there is none, or another than was kept; as `lake_errors`."""
    model = Model.model_validate_json(_read(question, version, _model_key(question, version)))
    if model.version != version or model.question != question:
        raise DataError(f"{_model_key(question, version)} is not the model that was kept there: train a new one")
    return model


def read_card(question: str, version: str = "") -> Card:
    """The card of a model that was kept; without a version, of the last contest. Raises: as `read_model`."""
    return Card.model_validate_json(_read(question, version, card_key(question, version)))


def keep_card(card: Card) -> None:
    """Write the card of the last contest in place of the one before. Raises: as `lake_errors`."""
    bucket, key = required_variable(STATE_BUCKET), card_key(card.question)
    replace_file(bucket, key, card.as_bytes(), read_current(bucket, key)[1])


def _read(question: str, version: str, key: str) -> bytes:
    try:
        return read_file(required_variable(STATE_BUCKET), key)
    except MissingFileError as error:
        raise DataError(
            f"{question}: there is no model {version}; `classify card` lists those that were trained"
        ) from error


def read_standing(question: str) -> Standing:
    """Who is champion. Raises: DataError where the file cannot be read; others as `lake_errors`."""
    return _current(question)[0]


def update_standing(question: str, change: Callable[[Standing], Standing]) -> Standing:
    """Replace the standing by what `change` makes of it, and give that; where another writer was faster, again.

    Raises: ServiceError where other writers were faster every time; others as `read_standing`.
    """
    for _ in range(ATTEMPTS):
        standing, etag = _current(question)
        changed = change(standing)
        content = changed.model_dump_json(indent=1).encode()
        if changed == standing or replace_file(required_variable(STATE_BUCKET), _standing_key(question), content, etag):
            return changed
    raise ServiceError(f"{_standing_key(question)}: others wrote it {ATTEMPTS} times meanwhile; nothing was changed")


def roll_back(question: str) -> Standing:
    """Make the champion of before champion again. Raises: DataError where there was none; as `update_standing`."""

    def change(standing: Standing) -> Standing:
        earlier = [one for one in standing.promotions if one.version != standing.champion]
        if not earlier:
            raise DataError(f"{question}: there was no other champion before, to go back to")
        return standing.promoted(earlier[-1].version, f"rolled back from {standing.champion}", earlier[-1].since)

    return update_standing(question, change)


def promote(question: str, version: str) -> Standing:
    """Make a model that was kept the champion, whatever came of it. Raises: as `read_model` and `update_standing`."""
    read_model(question, version)

    def change(standing: Standing) -> Standing:
        known = [one.since for one in standing.promotions if one.version == version]
        since = known[-1] if known else None
        return standing if standing.champion == version else standing.promoted(version, "promoted by hand", since)

    return update_standing(question, change)


def _current(question: str) -> tuple[Standing, str | None]:
    content, etag = read_current(required_variable(STATE_BUCKET), _standing_key(question))
    try:
        return (Standing() if content is None else Standing.model_validate_json(content)), etag
    except ValidationError as error:
        told = error.errors()[0]["msg"]
        raise DataError(
            f"{_standing_key(question)} cannot be read: {told}; restore an earlier version of it, or delete it"
        ) from error


def _standing_key(question: str) -> str:
    return f"classify/{question}/champion.json"


def _model_key(question: str, version: str) -> str:
    return f"classify/{question}/{version}/model.json"


def card_key(question: str, version: str = "") -> str:
    """Where a model's card is kept; without a version, that of the last contest."""
    return f"classify/{question}/{version}/card.json" if version else f"classify/{question}/card.json"
