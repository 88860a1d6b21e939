"""What is below /v1: every relation, its rows by key, their history, and files, drawn from the declarations."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any
from urllib.parse import unquote_to_bytes

from psycopg import sql
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serve.access import Access
from serve.answers import Answer, Answers
from serve.bulk import MEDIA_TYPES, Export, Stream, form
from serve.cursors import Signer, request_of
from serve.database import Database
from serve.files import Files
from serve.formats import JSON, negotiate
from serve.freshness import Freshness
from serve.keys import Rights
from serve.marks import Marks, SharedRead, matches
from serve.pages import Page
from serve.problems import Problem, invalid
from serve.query import MOST_ROWS, Asked, Reader, of_key
from serve.relations import METRICS, Field, Relation, fingerprint
from serve.statements import ALL_MARKS, COUNTED, Served, Statements, feeds

METHODS = ("GET", "HEAD")
VARY = "Accept, Authorization, X-API-Key"
ROWS_PART, ROW, HISTORY, FILES = "rows", "row", "history", "files"
KEPT_QUERIES, KEPT_BYTES = 250, 1_000
"""How many queries that were read are kept as read, and up to which length.

To read one takes 25 µs. Each is 25 objects that the garbage collector goes over while everybody waits, so few are kept.
"""


@dataclass(frozen=True)
class Services:
    """What answers are made with."""

    database: Database
    bulk: Database
    access: Access
    freshness: Freshness
    signer: Signer
    files: Files


@dataclass(frozen=True)
class Call:
    """A request that may be answered. part: what is asked of the relation, its rows, one row, a history or files."""

    relation: Relation
    part: str
    key: str
    query: bytes
    path: str
    accept: bytes
    if_none_match: bytes
    personal: bool
    head: bool


class Routes:
    """Answers requests below /v1."""

    def __init__(self, served: Served, services: Services) -> None:
        self._served, self._services = served, services
        self._statements, self._declared = Statements(served), fingerprint(served)
        self._marks, self._answers = SharedRead(self._read_marks), Answers()
        self._read = lru_cache(KEPT_QUERIES)(self._read_query)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI has it."""
        answer = await self._answer_to(scope)
        await answer(scope, receive, send)

    async def _answer_to(self, scope: Scope) -> ASGIApp:
        told: dict[str, str] = {}
        try:
            if scope["method"] not in METHODS:
                raise Problem(405, f"{scope['method']} is not answered", METHODS, {"Allow": ", ".join(METHODS)})
            headers = dict(scope["headers"])
            rights = await self._services.access.rights(headers)
            scope["state"]["key"] = rights.name
            told = self._services.access.count(rights)
            return await self._answer(self._call(scope, headers, rights), told)
        except Problem as problem:
            problem.headers = told | problem.headers
            return problem.response()

    def _call(self, scope: Scope, headers: Mapping[bytes, bytes], rights: Rights) -> Call:
        """What a request asks for. Raises: Problem where there is no such route, or it is not the key's."""
        path = scope["raw_path"].decode("ascii", "replace")
        relation, rest = self._route(path.removeprefix("/v1").removeprefix("/").split("/"))
        part, key = _part(relation, rest)
        self._services.access.require(rights, relation.route)
        return Call(
            relation,
            part,
            key,
            scope["query_string"],
            path,
            headers.get(b"accept", b""),
            headers.get(b"if-none-match", b""),
            rights.personal,
            scope["method"] == "HEAD",
        )

    def _route(self, parts: list[str]) -> tuple[Relation, list[str]]:
        parts = [f"{METRICS}/{parts[1]}", *parts[2:]] if parts[0] == METRICS and len(parts) > 1 else parts
        if parts[0] not in self._served:
            raise Problem(404, "there is no such route", [f"/v1/{route}" for route in self._served])
        return self._served[parts[0]], parts[1:]

    async def _answer(self, call: Call, told: dict[str, str]) -> ASGIApp:
        if call.part == FILES:
            found = await self._services.files.page(call.relation, call.personal, call.path, call.query)
            return Response(found.body, headers=told | found.headers | {"Cache-Control": "no-store"}, media_type=JSON)
        asked = self._ask(call)
        kind = negotiate(asked.format, call.accept, whole=call.part == ROWS_PART)
        if kind == "json":
            return await self._json(call, asked, told)
        return await self._whole(call, asked, kind, told)

    def _ask(self, call: Call) -> Asked:
        read = self._read if len(call.query) <= KEPT_BYTES else self._read_query
        asked = read(call.relation.route, call.query, call.personal, call.part == HISTORY)
        if call.part == ROWS_PART:
            return asked
        if call.part == ROW and (asked.cursor or asked.ordered or asked.shape.counted):
            raise invalid("one row has no pages", ["select", "expand", "as_of", "format"])
        return of_key(call.relation, asked, _key_parts(call.key))

    def _read_query(self, route: str, query: bytes, personal: bool, history: bool) -> Asked:
        return Reader(self._served, self._served[route], personal, history).read(query)

    async def _json(self, call: Call, asked: Asked, told: dict[str, str]) -> Response:
        if asked.limit is not None and asked.limit > MOST_ROWS:
            raise invalid(
                f"limit: a page has no more than {MOST_ROWS} rows", ["format=csv", "format=arrow", "format=parquet"]
            )
        page = self._page(call, asked)
        request = (call.path, call.query, call.personal, "json", self._declared)
        headers = self._services.freshness.headers(call.relation) | told
        known = self._answers.find(request) if call.part != ROW else None
        if call.if_none_match or known:
            marks = await self._marks.get()
            etag = marks.etag(self._served, asked.shape, request)
            if call.if_none_match and matches(call.if_none_match, etag):
                return Response(None, 304, headers | page.headers(marks) | _caching(etag))
            if known and known.etag == etag:
                return self._shown(call, page, marks, known, headers)
        make = self._statements.one if call.part == ROW else self._statements.page
        row = await self._services.database.row(make(page.shape), page.values())
        marks = Marks.of(row[0], row[1])
        if row[2] is None:
            raise Problem(404, f"{call.relation.route} has no row with this key")
        etag = marks.etag(self._served, asked.shape, request)
        answer = Answer(etag, row, await self._counted(page, row))
        if call.part != ROW:  # which costs as little to read as what tells whether it still holds
            self._answers.keep(request, answer)
        return self._shown(call, page, marks, answer, headers)

    def _shown(self, call: Call, page: Page, marks: Marks, answer: Answer, headers: dict[str, str]) -> Response:
        """An answer that is of these marks. Raises: Problem 410 where the page's state is gone."""
        page.require(marks)
        headers = headers | page.headers(marks) | _caching(answer.etag) | answer.counted
        modified = marks.last_modified(self._served, page.shape)
        headers |= {"Last-Modified": modified} if modified else {}
        headers |= page.links(call.path, call.query, marks, answer.row)
        return Response(answer.row[2], 200, headers, JSON)

    async def _counted(self, page: Page, row: tuple[Any, ...]) -> dict[str, str]:
        """How many rows there are in all, where that is known for nothing, or asked for."""
        total = row[5]
        if total is None and page.is_whole(row[3]):
            total = row[3]
        if total is None:
            return {}
        if total <= COUNTED:
            return {"Total-Count": str(total), "Total-Count-Is": "exact"}
        guess = await self._services.bulk.guess(self._statements.table(page.shape, ordered=False)[1], page.values())
        return {"Total-Count": str(max(guess, total)), "Total-Count-Is": "estimate"}

    async def _whole(self, call: Call, asked: Asked, kind: str, told: dict[str, str]) -> ASGIApp:
        """All rows that are asked for, in another format."""
        if asked.cursor or asked.shape.counted:
            raise invalid(f"{kind} has no pages: all rows come at once", ["format=json"])
        page = self._page(call, asked)
        export = Export(self._services.bulk)
        marking, table = self._statements.table(asked.shape, asked.ordered)
        values = page.values() | {"rows": asked.limit}
        marks = await export.begin(feeds(self._served, asked.shape), marking, values)
        etag = marks.etag(self._served, asked.shape, (call.path, call.query, call.personal, kind, self._declared))
        headers = self._services.freshness.headers(call.relation) | told | page.headers(marks) | _caching(etag)
        modified = marks.last_modified(self._served, asked.shape)
        headers |= {"Last-Modified": modified} if modified else {}
        headers |= {"Content-Type": MEDIA_TYPES[kind]}
        if not call.head and call.if_none_match and matches(call.if_none_match, etag):
            await export.leave()
            return Response(None, 304, headers)
        fields = _named(self._served, asked)
        beside = {} if call.head or kind == "csv" else await _find_beside(export, table, values, fields)
        await export.copy(table, values, kind == "csv")
        if call.head:
            await export.close()
            return Response(None, 200, headers)
        blocks = form(kind, fields, beside)(export.blocks())
        return Stream(export, blocks, headers)

    def _page(self, call: Call, asked: Asked) -> Page:
        about = (call.personal, call.key, call.part)
        name = partial(request_of, call.relation.route, call.query, about)
        return Page(self._served, self._services.signer, asked, name)

    async def _read_marks(self) -> Marks:
        return Marks.of(*await self._services.database.row(ALL_MARKS.as_string(), {}))


def _part(relation: Relation, rest: list[str]) -> tuple[str, str]:
    """What of a relation the rest of a path asks for, and of which key. Raises: Problem where there is no such part."""
    if not rest:
        return ROWS_PART, ""
    if relation.key and rest[0]:
        if rest == [FILES] and relation.kind != "metric":
            return FILES, ""
        if len(rest) == 1:
            return ROW, rest[0]
        if rest[1:] == [HISTORY] and relation.versioned:
            return HISTORY, rest[0]
    route = f"/v1/{relation.route}"
    more = [f"{route}/{{key}}", f"{route}/{FILES}"] if relation.key else []
    raise Problem(404, "there is no such route", [route, *more])


def _key_parts(key: str) -> list[str]:
    """The parts of a key in a path, each written as a path has it. Raises: Problem for what is no UTF-8."""
    try:
        return [unquote_to_bytes(part).decode() for part in key.split(",")]
    except UnicodeDecodeError:
        raise Problem(400, "the key is not UTF-8") from None


def _caching(etag: str) -> dict[str, str]:
    """Whoever keeps the answer asks each time whether it still holds, which costs next to nothing."""
    return {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": VARY}


async def _find_beside(
    export: Export, table: sql.Composed, values: Mapping[str, Any], fields: Mapping[str, Field]
) -> dict[str, str]:
    """Column that has values which Arrow has no form for → the one that is to tell their texts."""
    from serve.exact import beyond, look, names_beside  # which takes half a second and 60 MB

    conditions = beyond(fields)
    told = await export.look(look(table, conditions), values) if conditions else []
    return names_beside([*fields], {name for name, found in zip(conditions, told, strict=True) if found})


def _named(served: Served, asked: Asked) -> dict[str, Field]:
    """The columns of a whole table, by the names that they have there."""
    relation = asked.shape.relation
    targets = {"": relation} | {at: served[relation.references[at]] for at in asked.shape.expand}
    return {str(place): targets[place.at].fields[place.name] for place in asked.shape.select}
