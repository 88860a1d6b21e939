"""The lake's Parquet files of a table as links, which are good for a quarter of an hour."""

import json
from asyncio import to_thread
from typing import Any

from serve.problems import Problem, unavailable
from serve.relations import Relation
from serve.settings import Settings, aws_client

SECONDS = 900
MOST_FILES = 10_000


class Files:
    """Gives links to the files of the processed bucket."""

    def __init__(self, settings: Settings) -> None:
        self._bucket = settings.processed_bucket

    async def links(self, relation: Relation, personal: bool) -> bytes:
        """The files of a table's changelog, the oldest first, as JSON. Raises: Problem."""
        if relation.personal and not personal:
            raise Problem(403, f"files of {relation.route} tell of persons, and the key does not name such")
        if not self._bucket:
            raise Problem(404, "this server knows no bucket with files")
        try:
            return json.dumps(await to_thread(self._list, relation.place)).encode()
        except Exception as error:
            raise unavailable("the bucket does not answer") from error

    def _list(self, table: str) -> list[dict[str, Any]]:
        """Every file of a table, each with its size and link."""
        s3 = aws_client("s3")
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=f"{table}/")
        found = [entry for page in pages for entry in page.get("Contents", []) if entry["Key"].endswith(".parquet")]
        return [
            {
                "key": entry["Key"],
                "size_bytes": entry["Size"],
                "url": s3.generate_presigned_url(
                    "get_object", {"Bucket": self._bucket, "Key": entry["Key"]}, ExpiresIn=SECONDS
                ),
            }
            for entry in found[:MOST_FILES]
        ]
