"""The Parquet files that loads brought to a table as links, which are good for a quarter of an hour."""

import json
from asyncio import to_thread
from dataclasses import dataclass
from typing import Any

from serve.cursors import Cursor, Signer, request_of
from serve.database import Database
from serve.problems import Problem, invalid, unavailable
from serve.query import ROWS, pairs, read_limit
from serve.relations import Relation
from serve.settings import Settings, aws_client

SECONDS = 900
MOST_FILES = 1_000
"""How many files a page has at most: each link is signed."""

BROUGHT = """
    SELECT coalesce(json_agg(json_build_object('key', key, 'rows', rows, 'size_bytes', size_bytes) ORDER BY number),
                    '[]')::text, count(*), max(number)
      FROM (SELECT * FROM pipeline.brought WHERE table_name = %(table)s AND number > %(after)s::bigint
             ORDER BY number LIMIT %(files)s) f"""
"""A page of the files that the warehouse has committed, in the order in which it did."""

BEFORE_ALL = str(-(1 << 63))
ASKED = ("limit", "cursor")


@dataclass(frozen=True)
class FilePage:
    """Files with links as JSON, and the header that leads to those after them, if there may be any."""

    body: bytes
    headers: dict[str, str]


class Files:
    """Gives links to the files of the processed bucket that the warehouse says its loads brought."""

    def __init__(self, settings: Settings, database: Database, signer: Signer) -> None:
        self._bucket = settings.processed_bucket
        self._database, self._signer = database, signer

    async def page(self, relation: Relation, personal: bool, path: str, query: bytes) -> FilePage:
        """Files of a table's changelog, the oldest first. path, query: as they were asked for. Raises: Problem."""
        if relation.personal and not personal:
            raise Problem(403, f"files of {relation.route} tell of persons, and the key does not name such")
        if not self._bucket:
            raise Problem(404, "this server knows no bucket with files")
        request = request_of(relation.route, query, "files")
        limit, after = self._read(query, request)
        values = {"table": relation.place, "after": after, "files": limit}
        document, count, last = await self._database.row(BROUGHT, values)
        try:
            body = await to_thread(self._with_links, json.loads(document))
        except Exception as error:
            raise unavailable("links cannot be signed") from error
        if count < limit:
            return FilePage(body, {})
        cursor = self._signer.write(Cursor(request, {}, [str(last)]))
        return FilePage(body, {"Link": f'<{path}?limit={limit}&cursor={cursor}>; rel="next"'})

    def _read(self, query: bytes, request: str) -> tuple[int, str]:
        """How many files are asked for, and after which. Raises: Problem."""
        given = pairs(query)
        said = dict(given)
        if len(said) < len(given) or not said.keys() <= {*ASKED}:
            raise invalid("files are asked for page by page, and nothing else", ASKED)
        limit = read_limit(said.get("limit")) or ROWS
        if limit > MOST_FILES:
            raise invalid(f"limit: a page has no more than {MOST_FILES} files")
        if not said.get("cursor"):
            return limit, BEFORE_ALL
        return limit, self._signer.read(said["cursor"], request).ends[0] or BEFORE_ALL

    def _with_links(self, files: list[dict[str, Any]]) -> bytes:
        """Each file with its link, as JSON."""
        s3 = aws_client("s3")
        for file in files:
            place = {"Bucket": self._bucket, "Key": file["key"]}
            file["url"] = s3.generate_presigned_url("get_object", place, ExpiresIn=SECONDS)
        return json.dumps(files).encode()
