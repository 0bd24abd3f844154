"""What the OpenAPI document is made of."""

from typing import Any, TypeAlias

Object: TypeAlias = dict[str, Any]

TEXT: Object = {"type": "string"}
NUMBER: Object = {"type": "integer"}


def ref(name: str, kind: str = "schemas") -> Object:
    """Refer to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def object_of(properties: Object, **more: Any) -> Object:
    """Describe an object."""
    return {"type": "object", "properties": properties, **more}


def array(items: Object) -> Object:
    """Describe a list."""
    return {"type": "array", "items": items}


def _json(schema: Object) -> Object:
    return {"application/json": {"schema": schema}}


def answer(text: str, schema: Object | None = None, *headers: str) -> Object:
    """Describe an answer; without a schema its body is empty, though it may have a type."""
    described: Object = {"description": text, "content": _json(schema) if schema else {}}
    if headers:
        described["headers"] = {name: {"schema": {"type": "string"}} for name in headers}
    return described


def empty(text: str, *headers: str) -> Object:
    """Describe an answer without a body that has the type of JSON."""
    return {**answer(text, None, *headers), "content": {"application/json": {}}}


def parameter(name: str, text: str, schema: Object, **more: Any) -> Object:
    """Describe a parameter of the query."""
    return {"name": name, "in": "query", "description": text, "schema": schema, **more}


def body(schema: Object, *kinds: str) -> Object:
    """Describe the body of a request; without kinds it is JSON or a form."""
    kinds = kinds or ("application/json", "application/x-www-form-urlencoded")
    return {"content": {kind: {"schema": schema} for kind in kinds}}


MISTAKE: Object = {"400": ref("Refused", "responses")}
