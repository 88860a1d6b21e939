"""What the pipeline says of the tables in status.json: when the source was read last, and how much of it is proven."""

import json
import logging
from asyncio import sleep, to_thread
from typing import Any

from serve.relations import Relation
from serve.settings import Settings, aws_client

log = logging.getLogger(__name__)

STATUS_KEY = "status.json"
EVERY_SECONDS = 30.0


class Freshness:
    """Reads status.json from time to time: no request waits for it."""

    def __init__(self, settings: Settings) -> None:
        self._bucket = settings.state_bucket
        self._tables: dict[str, Any] = {}

    async def follow(self) -> None:
        """Read it for ever. Where it cannot be read, what it said before is told."""
        while self._bucket:
            try:
                self._tables = await to_thread(self._read)
            except Exception as error:  # noqa: BLE001 - whatever boto3 or the document raises
                log.warning("%s cannot be read: %s", STATUS_KEY, type(error).__name__)
            await sleep(EVERY_SECONDS)

    def _read(self) -> dict[str, Any]:
        body = aws_client("s3").get_object(Bucket=self._bucket, Key=STATUS_KEY)["Body"].read()
        return dict(json.loads(body)["tables"])

    def headers(self, relation: Relation) -> dict[str, str]:
        """What is known of the tables that a relation shows: of several the oldest reading and the least proven."""
        known = [self._tables[name] for name in relation.feeds if name in self._tables]
        read = [table["observed_at"] for table in known if table.get("observed_at")]
        proven = [table["proven"]["share"] for table in known if table.get("proven")]
        told = {"Source-Read-At": min(read)} if read else {}
        return told | ({"Values-Proven": f"{min(proven):.4f}"} if proven else {})
