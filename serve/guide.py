"""/docs: the description of what is served as a page of its own, which loads nothing from anywhere."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from html import escape

from serve.query import ARE, OPERATORS, RESERVED
from serve.relations import Field, Relation

STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;"
    "border-bottom:1px solid GrayText}code{font-family:ui-monospace,monospace}.wide{overflow-x:auto}"
)
POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; base-uri 'none'"
)


def page(served: Mapping[str, Relation]) -> str:
    """The page as HTML."""
    parts = [part for relation in served.values() for part in _section(relation)]
    contents = "".join(f'<li><a href="#{escape(name)}">{escape(name)}</a>' for name in served)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>The warehouse over HTTP</title><style>{STYLE}</style><main><h1>The warehouse over HTTP</h1>"
        '<p>The same for programs: <a href="/openapi.json">openapi.json</a>. Give a key as '
        "<code>Authorization: Bearer …</code> or <code>X-API-Key</code>.</p>"
        f"<p>Conditions: <code>column=operator.value</code> with {', '.join(OPERATORS)}; <code>is</code> takes "
        f"{', '.join(ARE)}. Beside them: {', '.join(RESERVED)}.</p>"
        f'<nav aria-label="Tables"><ul>{contents}</ul></nav>{"".join(parts)}</main></html>'
    )


def _section(relation: Relation) -> Iterator[str]:
    name = escape(relation.route)
    yield f'<section aria-labelledby="{name}"><h2 id="{name}">{name}</h2><p>{escape(relation.description)}</p><p>'
    yield "<br>".join(f"<code>GET {escape(route)}</code>" for route in _routes(relation))
    yield '</p><div class="wide"><table><thead><tr><th scope="col">column<th scope="col">type<th scope="col"></thead>'
    yield from (_row(relation.fields[field]) for field in relation.shown)
    yield "</table></div></section>"


def _routes(relation: Relation) -> list[str]:
    route = f"/v1/{relation.route}"
    versions = [f"{route}/{{key}}/history"] if relation.versioned else []
    return [route, *([f"{route}/{{key}}", *versions, f"{route}/files"] if relation.key else [])]


def _row(field: Field) -> str:
    told = [field.description, *(["Of persons."] if field.personal else [])]
    told += [f"Points to {field.references}."] if field.references else []
    kind = field.type + (", may be NULL" if field.nullable else "")
    cells = f"<td>{escape(kind)}<td>{escape(' '.join(filter(None, told)))}"
    return f'<tr><th scope="row"><code>{escape(field.name)}</code>{cells}'
