"""The description of what is served, as OpenAPI 3.1, drawn from the declarations."""

from collections.abc import Mapping
from typing import Any

from include.tables.types import INTEGERS, known_type
from serve.bulk import MEDIA_TYPES
from serve.files import MOST_FILES
from serve.formats import JSON
from serve.problems import MEDIA_TYPE, TITLES
from serve.query import FORMATS, MOST_ROWS, ROWS
from serve.relations import Field, Relation
from serve.values import INTEGER, NUMBER

Document = dict[str, Any]

COMPARED = "eq|neq|gt|gte|lt|lte"
ANYTHING = r"[\s\S]*"
BESIDE = r"[^,.]+\.[^,]+"
"""A column of a dimension that is shown inside, or the table's own with its name."""

VALUES = {
    **dict.fromkeys(INTEGERS, INTEGER.pattern),
    **dict.fromkeys(("numeric", "real", "double precision"), f"({NUMBER.pattern})"),
    "boolean": "(true|false)",
}
"""What is sure of the values of some families: a pattern narrower than what is taken would mislead clients."""

KINDS: Mapping[str, list[str]] = {
    **{family: ["integer"] for family in INTEGERS},
    **{family: ["number", "string"] for family in ("numeric", "real", "double precision")},
    "boolean": ["boolean"],
    "json": [],
    "jsonb": [],
}
EXAMPLES = {
    "date": "gte.2024-01-01",
    "boolean": "is.true",
    "text": "eq.GBP",
    "varchar": "eq.GBP",
    "numeric": "gt.12.50",
}

ERRORS = (400, 401, 403, 406, 422, 429, 503)
HEADERS = {
    "ETag": "Changes exactly when a load changes a table that the answer shows.",
    "As-Of": "The instant of the source that is shown.",
    "As-Of-Set-Back-From": "The instant that was asked for, and lies beyond what was loaded.",
    "Latest-State-Of": "Tables in the answer that show their latest state, and keep no other.",
    "Source-Read-At": "When the source was read last.",
    "Values-Proven": "The share of values that were proven equal to the source within a day.",
}
PAGE_HEADERS = {
    "Link": "The next page, of the same state: rel=next.",
    "Total-Count": "How many rows there are in all pages.",
    "Total-Count-Is": "exact or estimate.",
}


def document(served: Mapping[str, Relation], version: str) -> Document:
    """The whole description."""
    paths: Document = {}
    for relation in served.values():
        paths |= _paths(relation)
    schemas = {_schema_name(relation): _row(served, relation) for relation in served.values()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Warehouse", "version": version, "description": DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": schemas | {"problem": PROBLEM},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
        "security": [{"bearer": []}, {"key": []}],
    }


DESCRIPTION = (
    "Every table of the warehouse and every metric. A page has a link to the next one, and all pages show the state "
    "that the first one showed, whatever is loaded meanwhile."
)
PROBLEM: Document = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "allowed": {"type": "array", "items": {"type": "string"}},
    },
}


def _paths(relation: Relation) -> Document:
    route, filters = f"/v1/{relation.route}", [_filter(field) for field in _shown(relation) if field.comparable]
    whole = [_limit(), *_ordering(relation), _once("cursor", "From the link to the next page."), _count(), _format()]
    common = [*_shaping(relation), *filters]
    rows = {"type": "array", "items": {"$ref": f"#/components/schemas/{_schema_name(relation)}"}}
    paths = {route: _get(f"Rows of {relation.route}", relation.description, [*common, *whole], _answers(rows, True))}
    if relation.tile:
        paths[route]["get"]["x-metric"] = relation.tile
    if relation.key:
        one = {"$ref": f"#/components/schemas/{_schema_name(relation)}"}
        key = {"name": "key", "in": "path", "required": True, "schema": _key_schema(relation),
               "description": f"{', '.join(relation.key)}: its parts with commas between."}  # fmt: skip
        answers = _answers(one, False) | {"404": _problem(404)}
        paths[f"{route}/{{key}}"] = _get(
            f"One row of {relation.route}", relation.description, [key, *_shaping(relation), *filters], answers
        )
        paths[f"{route}/files"] = _files(relation)
        if relation.versioned:
            versions = {"type": "array", "items": {"$ref": f"#/components/schemas/{_schema_name(relation)}"}}
            told = f"Every version of a row of {relation.route}"
            parameters = [key, *common, *whole[:-1]]
            answers = _answers(versions, False) | {"404": _problem(404), "410": _problem(410)}
            paths[f"{route}/{{key}}/history"] = _get(told, relation.description, parameters, answers)
    return paths


def _files(relation: Relation) -> Document:
    """The links to a table's files."""
    told = "The changelog of the table: what each load brought that was committed. Links are good for 15 minutes."
    limit = {"type": "integer", "minimum": 1, "maximum": MOST_FILES}
    asked = [
        _once("limit", f"Files of a page; {ROWS} unless it is said.") | {"schema": limit},
        _once("cursor", "From the link to the next page."),
    ]
    kinds = {"key": "string", "rows": "integer", "size_bytes": "integer", "url": "string"}
    file = {"type": "object", "properties": {name: {"type": kind} for name, kind in kinds.items()}}
    given: Document = {
        "description": "Files, the oldest first.",
        "headers": {"Link": {"description": "The files after these: rel=next.", "schema": {"type": "string"}}},
        "content": {JSON: {"schema": {"type": "array", "items": file}}},
    }
    refused = {str(status): _problem(status) for status in (400, 401, 403, 404, 422, 429, 503)}
    return _get(f"Links to the Parquet files of {relation.route}", told, asked, {"200": given, **refused})


def _get(summary: str, description: str, parameters: list[Document], answers: Document) -> Document:
    operation = {"summary": summary, "parameters": parameters, "responses": answers}
    return {"get": operation | ({"description": description} if description else {})}


def _answers(schema: Document, whole: bool) -> Document:
    content: Document = {JSON: {"schema": schema}}
    if whole:
        content |= {kind.partition(";")[0]: {} for kind in MEDIA_TYPES.values()}
    told = HEADERS | (PAGE_HEADERS if whole else {})
    headers = {name: {"description": text, "schema": {"type": "string"}} for name, text in told.items()}
    answers: Document = {"200": {"description": "What was asked for.", "headers": headers, "content": content}}
    answers["304"] = {"description": "What was given before still holds."}
    errors = (*ERRORS, 410) if whole else ERRORS
    return answers | {str(status): _problem(status) for status in errors}


def _problem(status: int) -> Document:
    return {
        "description": TITLES[status],
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/problem"}}},
    }


def _shown(relation: Relation) -> list[Field]:
    return [relation.fields[name] for name in relation.shown]


def _schema_name(relation: Relation) -> str:
    return relation.route.replace("/", ".")


def _row(served: Mapping[str, Relation], relation: Relation) -> Document:
    properties = {name: _value(field) for name, field in relation.fields.items()}
    if relation.references:
        beside = {
            at: {"anyOf": [{"$ref": f"#/components/schemas/{_schema_name(served[name])}"}, {"type": "null"}]}
            for at, name in relation.references.items()
        }
        properties["expanded"] = {"type": "object", "properties": beside}
    return {"type": "object", "description": relation.description, "properties": properties}


def _value(field: Field) -> Document:
    known = known_type(field.type)
    kinds = ["array"] if known.array else KINDS.get(known.family, ["string"])
    told = {"type": [*kinds, "null"] if field.nullable else kinds} if kinds else {}
    return told | ({"description": field.description} if field.description else {})


def _key_schema(relation: Relation) -> Document:
    patterns = [_pattern(relation.fields[name], "[^/]+") for name in relation.key]
    return {"type": "string", "pattern": f"^{','.join(patterns)}$"}


def _pattern(field: Field, other: str) -> str:
    """What is sure of a field's values; other: where nothing is."""
    known = known_type(field.type)
    return other if known.array else VALUES.get(known.family, other)


def _filter(field: Field) -> Document:
    value, known = _pattern(field, ANYTHING), known_type(field.type)
    words = ["null", "not_null", *(["true", "false"] if field.type == "boolean" else [])]
    ways = [f"({COMPARED})\\.{value}", f"is\\.({'|'.join(words)})"]
    if not known.array:
        ways.append(f"in\\.{ANYTHING}")
    if known.is_text:
        ways.append(f"like\\.{ANYTHING}")
    example = EXAMPLES.get(known.family, "is.not_null")
    told = f"{field.description} Of persons: only for keys that name such." if field.personal else field.description
    return {
        "name": field.name,
        "in": "query",
        "description": told or f"A condition on {field.name}, which is {field.type}.",
        "schema": {"type": "string", "pattern": f"^({'|'.join(ways)})$"},
        "example": example,
    }


def _shaping(relation: Relation) -> list[Document]:
    made = [_listed("select", (*relation.shown, BESIDE), "The columns to show.")]
    if relation.references:
        made.append(_listed("expand", tuple(relation.references), "References whose rows are shown inside."))
    if relation.dated:
        told = "The instant to show, such as 2024-08-22T14:20:49.962Z."
        made.append(_once("as_of", told) | {"schema": {"type": "string", "pattern": rf"^\d{{4}}{ANYTHING}$"}})
    return made


def _listed(name: str, words: tuple[str, ...], told: str, more: str = "") -> Document:
    one = f"({'|'.join(words)}){more}"
    return _once(name, told) | {"schema": {"type": "string", "pattern": f"^{one}(,{one})*$"}, "example": words[0]}


def _ordering(relation: Relation) -> list[Document]:
    words = tuple(field.name for field in _shown(relation) if field.comparable)
    return [_listed("order", (*words, BESIDE), "What rows are in order by: a column, or column:desc.", "(:asc|:desc)?")]


def _once(name: str, told: str) -> Document:
    return {"name": name, "in": "query", "description": told, "schema": {"type": "string"}}


def _limit() -> Document:
    schema = {"type": "integer", "minimum": 1, "maximum": MOST_ROWS}
    return _once("limit", f"Rows of a page; {ROWS} unless it is said. Other formats have all.") | {"schema": schema}


def _count() -> Document:
    return _once("count", "Whether to tell how many rows there are.") | {
        "schema": {"type": "string", "enum": ["true", "false"]}
    }


def _format() -> Document:
    return _once("format", "As Accept, which it goes before.") | {"schema": {"type": "string", "enum": list(FORMATS)}}
