"""What requests and replies look like, for the page of a service: JSON schemas. `histories.py` is what checks them."""

from typing import Any

ID = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
IDS = {"type": "array", "items": ID}
REQUEST = {
    "type": "object",
    "required": ["history"],
    "additionalProperties": False,
    "properties": {
        "user": ID | {"description": "given back as it is"},
        "history": IDS | {"description": "your own ids of items, oldest first; unknown ones are skipped and counted"},
        "profile": {"type": "object", "description": "feature -> its values, for a model with user features"},
        "query": {"type": "string", "description": "for a model that was trained with queries"},
    },
}
FILTERS = {
    "top_n": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 50},
    "exclude": IDS | {"description": "never these items"},
    "allow": IDS | {"description": "only these items"},
    "category": {"type": "array", "items": {"type": "string"}, "description": "only items of these categories"},
}
EXAMPLE = {"user": "u1", "history": ["50", "258"], "top_n": 10}
ITEM = {"item": {"type": "string"}, "score": {"type": "number"}, "title": {"type": "string"}}
INTEREST = {
    "type": "integer",
    "nullable": True,
    "description": "found the item; null for popular ones",
}
COMMON = {"user": ID | {"nullable": True}, "unknown": {"type": "integer", "description": "items that were skipped"}}


def _rows(properties) -> dict:
    return {"type": "array", "items": {"type": "object", "properties": properties}}


LISTS = COMMON | {
    "items": _rows(ITEM | {"interest": INTEREST}),
    "popular": {"type": "boolean", "description": "no item is known, so these are the most popular ones; score: count"},
}
INTERESTS = COMMON | {
    "interests": _rows({"interest": {"type": "integer"}, "vector": {"type": "array", "items": {"type": "number"}}})
}


def one_or_many(schema) -> dict:
    """A schema, or an array of it."""
    return {"oneOf": [schema, {"type": "array", "minItems": 1, "maxItems": 256, "items": schema}]}


def described(answer, more=None) -> dict[str, Any]:
    """How a path that takes histories is told.

    Args:
        answer: properties of the answer.
        more: properties of a request, besides those of all.
    """
    request = one_or_many(REQUEST | {"properties": {**REQUEST["properties"], **(more or {})}})  # type: ignore[dict-item]
    content = {"application/json": {"schema": request, "example": EXAMPLE}}
    return {"requestBody": {"required": True, "content": content}, "responses": replies(one_or_many(_object(answer)))}


def replies(schema) -> dict[str, Any]:
    """The replies of a path, good and bad."""
    fault = {"application/json": {"schema": _object({"error": {"type": "string"}})}}
    told = {"400": "no such request", "413": "too large", "503": "busy, or its model is being opened"}
    good = {"description": "the answer", "content": {"application/json": {"schema": schema}}}
    return {"200": good, **{code: {"description": text, "content": fault} for code, text in told.items()}}


def _object(properties):
    return {"type": "object", "properties": properties}


SIMILAR = replies(_object({"item": ID, "title": {"type": "string"}, "items": _rows(ITEM)}))
