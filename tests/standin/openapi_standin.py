"""The paths for tests in the OpenAPI document."""

from typing import Any

from tests.standin.openapi_parts import (
    MISTAKE,
    NUMBER,
    TEXT,
    Object,
    answer,
    array,
    body,
    object_of,
    parameter,
    ref,
)
from tests.standin.rule import Rule
from tests.standin.seed import FIELD_NAME
from tests.standin.values import TYPES

TAG = "stand-in"

_FAULT = Rule.model_json_schema(ref_template="#/components/schemas/{model}")


def paths() -> dict[str, Object]:
    """Return the paths, with what is asked and answered."""
    return {
        "/__standin": {
            "get": _call("Name the paths", {"200": answer("Them", _texts_by_name())}),
        },
        "/__standin/journal": {
            "get": _call(
                "Tell the requests, oldest first",
                {"200": answer("Requests", array(ref("Entry"))), **MISTAKE},
                parameter("after", "Only entries with a higher number", {**NUMBER, "minimum": 0}),
            ),
            "delete": _call("Forget them", {"204": answer("Done")}),
        },
        "/__standin/faults": _faults(),
        "/__standin/choices": {
            "get": _call(
                "Tell choices",
                {"200": answer("Choices", array(ref("ChoiceMade"))), **MISTAKE},
                parameter("name", "Only the one of that name", TEXT),
            )
        },
        "/__standin/seed": {
            "put": _call(
                "Replace all data",
                {"204": answer("Done"), **MISTAKE},
                requestBody=body(ref("Seed"), "application/json"),
            ),
            "delete": _call("Go back to the data of the start", {"204": answer("Done")}),
        },
        "/__standin/token": {
            "put": _call(
                "Take another access token, and the one before no longer",
                {"204": answer("Done"), **MISTAKE},
                requestBody=body(ref("TokenTaken"), "application/json"),
            )
        },
        "/openapi.json": {
            "get": _call("Give this document", {"200": answer("It", {"type": "object"})})
        },
    }


def schemas() -> Object:
    """Return the schemas that the paths refer to."""
    fault = {key: value for key, value in _FAULT.items() if key != "$defs"}
    return {
        "Seed": _closed({"databases": array(ref("SeedDatabase"))}),
        "SeedDatabase": _seed_database(),
        "SeedField": _seed_field(),
        "Entry": _entry(),
        "ChoiceMade": _choice(),
        "TokenTaken": _closed({"token": {**TEXT, "minLength": 1}}, required=["token"]),
        **_FAULT["$defs"],
        "Fault": fault,
        "FaultInForce": _fault_in_force(),
    }


def _call(summary: str, responses: Object, *parameters: Object, **more: Any) -> Object:
    call = {"tags": [TAG], "summary": summary, "security": [], "responses": responses}
    return {**call, **more, "parameters": list(parameters)}


def _faults() -> Object:
    faults: Object = {"oneOf": [ref("Fault"), {**array(ref("Fault")), "minItems": 1}]}
    given = body(faults, "application/json")
    text = "The faults in force, how often each happened, and will"
    in_force = {"200": answer(text, array(ref("FaultInForce")))}
    return {
        "get": _call("Tell the faults", in_force),
        "put": _call("Replace all", in_force | MISTAKE, requestBody=given),
        "post": _call("Add some", in_force | MISTAKE, requestBody=given),
        "delete": _call("Take all back", in_force),
    }


def _seed_database() -> Object:
    profile = _closed({"fields": {"type": "object"}, "interests": array(TEXT)})
    properties = {
        "id": {**NUMBER, "minimum": 1},
        "name": {**TEXT, "minLength": 1},
        "fields": array(ref("SeedField")),
        "interests": array(TEXT),
        "profiles": array(profile),
    }
    return _closed(properties, required=["id", "name"])


def _seed_field() -> Object:
    properties = {
        "name": {**TEXT, "pattern": f"^{FIELD_NAME}$"},
        "type": {**TEXT, "enum": sorted(TYPES)},
        "default": {"description": "of new profiles, converted to the type"},
        "choices": {**array(TEXT), "description": "of the type select, which needs some"},
        "index": {"type": "boolean", "default": False},
    }
    return _closed(properties, required=["name", "type"])


def _entry() -> Object:
    pair = {**array(TEXT), "minItems": 2, "maxItems": 2}
    no_answer = "null if the connection was dropped instead of an answer"
    properties = {
        "n": {**NUMBER, "minimum": 1},
        "time": {"type": "number", "description": "seconds since 1970"},
        "seconds": {"type": ["number", "null"], "description": "until it was carried out"},
        "method": TEXT,
        "path": TEXT,
        "query": {**array(pair), "description": "names and values, without the token"},
        "body": {"description": "its JSON, or its text"},
        "status": {"type": ["integer", "null"], "description": no_answer},
        "ids": {**array(NUMBER), "description": "the profiles that it touched"},
        "fault": {"type": ["string", "null"], "description": "the fault that it met"},
    }
    return _closed(properties, required=list(properties))


def _choice() -> Object:
    properties = {
        "name": TEXT,
        "chosen": {"description": "what holds here"},
        "values": {
            "type": ["array", "string", "null"],
            "description": "what else it could be; the unit, where any number can be; null if "
            "it is fixed",
        },
        "about": {**array(TEXT), "description": "the behaviours that it belongs to"},
        "text": TEXT,
        "mark": {"enum": ["switch", "choice"], "description": "switches are options"},
    }
    return _closed(properties, required=list(properties))


def _fault_in_force() -> Object:
    properties = {
        **_FAULT["properties"],
        "name": TEXT,
        "happened": {**NUMBER, "minimum": 0},
        "left": {"type": ["integer", "null"], "description": "how often it will; null: no end"},
    }
    return _closed(properties, required=["name", "happened", "left"])


def _closed(properties: Object, **more: Any) -> Object:
    return object_of(properties, additionalProperties=False, **more)


def _texts_by_name() -> Object:
    return {"type": "object", "additionalProperties": TEXT}
