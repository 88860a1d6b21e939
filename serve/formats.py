"""In which format an answer is: as `format` says, else as `Accept` does."""

from serve.bulk import MEDIA_TYPES
from serve.problems import Problem

JSON = "application/json"
OFFERED = {JSON: "json"} | {kind.partition(";")[0]: name for name, kind in MEDIA_TYPES.items()}


def negotiate(asked: str, accept: bytes, whole: bool) -> str:
    """The format of an answer. whole: whether there is any but JSON. Raises: Problem 406 where none is wanted."""
    offered = OFFERED if whole else {JSON: "json"}
    if asked:
        if asked not in offered.values():
            raise Problem(406, f"this route has no {asked}", offered.values())
        return asked
    if not accept or accept == b"*/*":
        return "json"
    return _accepted(accept.decode("latin-1"), offered)


def _accepted(accept: str, offered: dict[str, str]) -> str:
    """The offered type that is liked best; of equals the first that is offered."""
    liked = [_quality(part) for part in accept.lower().split(",")]
    best, chosen = 0.0, ""
    for media, name in offered.items():
        quality = max((worth for pattern, worth in liked if _matches(pattern, media)), default=0.0)
        if quality > best:
            best, chosen = quality, name
    if not chosen:
        raise Problem(406, "none of the formats that are accepted is offered", offered)
    return chosen


def _quality(part: str) -> tuple[str, float]:
    pattern, *parameters = (piece.strip() for piece in part.split(";"))
    said = [piece.removeprefix("q=") for piece in parameters if piece.startswith("q=")]
    try:
        return pattern, float(said[0]) if said else 1.0
    except ValueError:
        return pattern, 0.0


def _matches(pattern: str, media: str) -> bool:
    kind = media.partition("/")[0]
    return pattern in (media, f"{kind}/*", "*/*")
