"""alerts.json: alerts that could not be sent yet, and those that are sent once until what they tell of is over.

It holds nothing that the next run could not do without: a file that cannot be read is begun anew.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal
from uuid import uuid4

from pydantic import AwareDatetime, Field, ValidationError

from include.common.errors import ServiceError
from include.common.manifests import Manifest
from include.common.settings import STATE_BUCKET, required_variable
from include.lake.files import read_current, replace_file

log = logging.getLogger(__name__)

OUTBOX_KEY = "alerts.json"
ATTEMPTS = 5
"""How often a change is tried again when another writer was faster."""

MOST = 50
"""The most alerts that wait; of more, the oldest are given up."""

MESSAGE_CHARACTERS = 8_000
"""The longest message; SNS takes 256 kB. Source: SNS API reference, Publish."""

KEPT = timedelta(days=7)
"""How long an alert waits: one that is older helps nobody."""

LEASE = timedelta(minutes=2)
"""How long whoever sends is left alone with it, so that no other sends the same; after that it is taken for dead."""


def _now() -> datetime:
    return datetime.now(UTC)


class Alert(Manifest):
    """A message to people. once: what it tells of, where it is sent once until that is over; else empty."""

    subject: str
    message: str
    once: str = ""
    raised_at: AwareDatetime = Field(default_factory=_now)


class Outbox(Manifest):
    """The whole of alerts.json.

    waiting: in the order in which they were raised. told: what was told, or waits to be, and is not over.
    sender, until: who is sending now, and how long others leave it alone.
    """

    format: Literal["totesys-alerts/1"] = "totesys-alerts/1"
    waiting: list[Alert] = Field(default_factory=list)
    told: list[str] = Field(default_factory=list)
    sender: str = ""
    until: AwareDatetime | None = None


def keep(raised: Iterable[Alert], over: Iterable[str]) -> Outbox:
    """Let alerts wait to be sent, but for those that were told once already, and forget what is over.

    Raises: as `lake_errors`; ServiceError where other writers were faster every time.
    """
    raised, over = list(raised), set(over)

    def change(box: Outbox) -> Outbox:
        told = [name for name in box.told if name not in over]
        new = [_cut(alert) for alert in raised if not alert.once or alert.once not in told]
        new = [
            alert for alert in new if alert not in box.waiting
        ]  # written already, by an attempt whose answer was lost
        waiting = [alert for alert in [*box.waiting, *new] if _now() - alert.raised_at < KEPT]
        if len(waiting) > MOST:
            log.warning("%d alerts that could not be sent are given up", len(waiting) - MOST)
        told += dict.fromkeys(alert.once for alert in new if alert.once)
        return box.model_copy(update={"waiting": waiting[-MOST:], "told": told})

    return _update(change)


def _cut(alert: Alert) -> Alert:
    return alert.model_copy(update={"message": alert.message[:MESSAGE_CHARACTERS]})


def send_waiting(send: Callable[[Alert], None]) -> None:
    """Send what waits, each once and in its order; what `send` raises leaves it and the rest to the next time.

    Where somebody else is sending, nothing is done: it sends these too. Raises: as `send`, and as `keep`.
    """
    me = uuid4().hex
    box = _update(partial(_claimed, me))
    while box.sender == me and box.waiting:
        alert = box.waiting[0]
        try:
            send(alert)
        except BaseException:
            _update(partial(_released, me))
            raise
        box = _update(partial(_sent, me, alert))


def _claimed(me: str, box: Outbox) -> Outbox:
    busy = box.sender and box.until and _now() < box.until
    return box if busy or not box.waiting else box.model_copy(update={"sender": me, "until": _now() + LEASE})


def _released(me: str, box: Outbox) -> Outbox:
    return box.model_copy(update={"sender": "", "until": None}) if box.sender == me else box


def _sent(me: str, alert: Alert, box: Outbox) -> Outbox:
    waiting = [other for other in box.waiting if other != alert]
    left = box.model_copy(update={"waiting": waiting})
    return left.model_copy(update={"until": _now() + LEASE}) if waiting else _released(me, left)


def _update(change: Callable[[Outbox], Outbox]) -> Outbox:
    """Replace the file by what `change` makes of it, where that is another, and give that."""
    bucket = required_variable(STATE_BUCKET)
    for _ in range(ATTEMPTS):
        content, etag = read_current(bucket, OUTBOX_KEY)
        box = _parse(content)
        changed = change(box)
        if changed == box or replace_file(bucket, OUTBOX_KEY, changed.model_dump_json(indent=1).encode(), etag):
            return changed
    raise ServiceError(f"{OUTBOX_KEY}: other runs wrote it {ATTEMPTS} times meanwhile")


def _parse(content: bytes | None) -> Outbox:
    try:
        return Outbox() if content is None else Outbox.model_validate_json(content)
    except ValidationError as error:
        log.warning("%s cannot be read and is begun anew: %s", OUTBOX_KEY, error.errors()[0]["msg"])
        return Outbox()
