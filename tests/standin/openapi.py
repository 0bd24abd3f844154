"""The calls that the stand-in answers, as an OpenAPI 3.1 document."""

from typing import Any

from tests.standin import openapi_standin
from tests.standin.openapi_parts import (
    MISTAKE,
    NUMBER,
    TEXT,
    Object,
    answer,
    array,
    body,
    empty,
    object_of,
    parameter,
    ref,
)

_DESCRIPTION = """\
A stand-in for Copernica's REST API, for development and tests. It plays what is known of the API;
what no source settles is listed at `/__standin/choices`. The paths tagged `stand-in` are no part of
the API and know no version.

With version 4 the token travels as `Authorization: Bearer`, with the others as `access_token` in
the query.
"""


def _operation(summary: str, responses: Object, *parameters: Object, **more: Any) -> Object:
    """Describe a call of the API: each may be refused, and in version 4 for its token."""
    refusals = {"400": ref("Refused", "responses"), "401": ref("Unauthorized", "responses")}
    operation = {"summary": summary, "responses": responses | refusals, **more}
    return {**operation, "parameters": list(parameters)} if parameters else operation


_TRUTH: Object = {"type": "string", "enum": ["0", "1", "true", "false", "yes", "no"]}
_FIELDS: Object = {"type": "object", "additionalProperties": {"type": ["string", "number", "null"]}}
_CONDITIONS = parameter(
    "fields[]",
    "Conditions `FIELD OPERATOR VALUE` without blanks; all must hold",
    {"type": "array", "items": {"type": "string", "examples": ["customerid==4567"]}},
    style="form",
    explode=True,
)
_PAGE = (
    parameter("start", "How many to skip", {"type": "integer", "default": 0}),
    parameter("limit", "How many at most, up to 1000", {"type": "integer", "default": 100}),
    parameter("total", "Whether to count all", _TRUTH),
)
_DATABASE: Object = {
    "name": "database",
    "in": "path",
    "required": True,
    "description": "Id, or name in any case",
    "schema": {"type": "string", "minLength": 1, "examples": ["1234", "Customers"]},
}
_PROFILE: Object = {
    "name": "profile",
    "in": "path",
    "required": True,
    "schema": {"type": "integer", "minimum": 1},
}
_CHANGED = {
    "303": empty("Changed (versions 1 and 2); Location is the profile", "Location"),
    "204": answer("Changed (versions 3 and 4)"),
}


def _page_of(name: str) -> Object:
    numbers: Object = dict.fromkeys(("start", "limit", "count", "nextid", "total"), NUMBER)
    properties = {**numbers, "data": array(ref(name))}
    return object_of(properties, required=["start", "limit", "count", "data"])


def _profiles() -> Object:
    created = ("X-Created",)
    return {
        "parameters": [_DATABASE],
        "get": _operation(
            "List the profiles that match",
            {"200": answer("A page of profiles", _page_of("Profile"))},
            _CONDITIONS,
            *_PAGE,
            parameter("orderby", "id, modified, random, or the name or id of a field", TEXT),
            parameter("order", "Ascending if not `desc`", TEXT),
            parameter("dataonly", "Whether to give ID, fields, interests, modified only", _TRUTH),
        ),
        "put": _operation(
            "Change the profiles that match",
            {
                "200": empty("Changed (versions 1 and 2); the profiles, if so switched"),
                "201": empty("One was made (versions 3 and 4)", *created, "X-location"),
                "204": answer("Changed (versions 3 and 4)"),
                "303": empty("One was made (versions 1 and 2)", *created, "Location"),
            },
            {**_CONDITIONS, "required": True},
            parameter("create", "Whether to make a profile if none matches", _TRUTH),
            parameter("async", "Whether to answer before it is done", _TRUTH),
            requestBody=body(ref("ProfileData")),
        ),
        "post": _operation(
            "Make a profile",
            {"201": empty("Made", *created)},
            requestBody=body(ref("ProfileData")),
        ),
    }


def _one_profile() -> Object:
    change = _operation("Change a profile", _CHANGED, requestBody=body(ref("ProfileData")))
    return {
        "parameters": [_PROFILE],
        "get": _operation("Give a profile", {"200": answer("It", ref("Profile"))}),
        "put": change,
        "post": {**change, "summary": "Change a profile, as PUT does"},
        "delete": _operation(
            "Remove a profile",
            {
                "200": empty("Removed (versions 1 and 2)", "X-Deleted"),
                "204": answer("Removed (versions 3 and 4)", None, "X-Deleted"),
            },
        ),
    }


def _fields_of_a_profile() -> Object:
    change = _operation("Change fields", _CHANGED, requestBody=body(_FIELDS))
    return {
        "parameters": [_PROFILE],
        "get": _operation("Give the fields", {"200": answer("By name", ref("Fields"))}),
        "put": change,
        "post": {**change, "summary": "Change fields, as PUT does"},
    }


def _described(kind: str, schema: str) -> Object:
    page = {"200": answer(f"A page of {kind}", _page_of(schema))}
    return {
        "parameters": [_DATABASE],
        "get": _operation(f"List the {kind} of a database", page, *_PAGE),
    }


def _account() -> Object:
    day: Object = {"type": "string", "format": "date"}
    consumed = answer("Numbers by kind", {"type": "object", "additionalProperties": NUMBER})
    return {
        "/identity": {
            "get": _operation(
                "Tell whose token it is",
                {"200": answer("The account", {"type": "object", "additionalProperties": TEXT})},
            )
        },
        "/consumption": {
            "get": _operation(
                "Tell how much was used",
                {"200": consumed},
                parameter("begin", "First day", day, required=True),
                parameter("end", "Last day", day, required=True),
            )
        },
    }


def _authenticate() -> Object:
    token = object_of({"access_token": TEXT}, required=["access_token"])
    made = {"description": "The JWT", "content": {"text/plain": {"schema": TEXT}}}
    return {
        "servers": [{"url": "/"}],
        "post": {
            "summary": "Exchange the access token for a JWT of version 4",
            "security": [],
            "requestBody": body(token, "application/x-www-form-urlencoded"),
            "responses": {"200": made, **MISTAKE},
        },
    }


def _schemas() -> Object:
    names = array(TEXT)
    switches: Object = {"type": "object", "additionalProperties": {"enum": [0, 1]}}
    properties = {
        "ID": TEXT,
        "fields": ref("Fields"),
        "interests": names,
        "database": TEXT,
        "secret": TEXT,
        "created": TEXT,
        "modified": TEXT,
        "removed": {"type": ["boolean", "string"]},
    }
    flags: Object = {
        key: {"type": "boolean"} for key in ("displayed", "ordered", "hidden", "index")
    }
    texts: Object = dict.fromkeys(("ID", "name", "type", "value", "length", "textlines"), TEXT)
    error = object_of({"message": TEXT}, required=["message"], additionalProperties=False)
    return {
        "Fields": {"type": "object", "additionalProperties": TEXT},
        "Profile": object_of(properties, required=["ID", "fields", "interests", "modified"]),
        "ProfileData": object_of(
            {"fields": _FIELDS, "interests": {"oneOf": [names, switches]}, "secret": TEXT}
        ),
        "Field": object_of(texts | flags, required=["ID", "name", "type"]),
        "Interest": object_of({"ID": TEXT, "name": TEXT, "group": TEXT}, required=["ID", "name"]),
        "Error": object_of({"error": error}, required=["error"], additionalProperties=False),
        **openapi_standin.schemas(),
    }


def _components() -> Object:
    error = ref("Error")
    return {
        "schemas": _schemas(),
        "responses": {
            "Refused": answer("Refused; the message says why", error),
            "Unauthorized": answer("Token wrong or expired (version 4)", error),
        },
        "securitySchemes": {
            "token": {"type": "apiKey", "in": "query", "name": "access_token"},
            "jwt": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        },
    }


def document() -> Object:
    """Return the document; its versions are servers, the first one being version 2."""
    paths = {
        "/database/{database}/profiles": _profiles(),
        "/database/{database}/fields": _described("fields", "Field"),
        "/database/{database}/interests": _described("interests", "Interest"),
        "/profile/{profile}": _one_profile(),
        "/profile/{profile}/fields": _fields_of_a_profile(),
        **_account(),
        "/authenticate": _authenticate(),
        **{
            path: {"servers": [{"url": "/"}], **item}
            for path, item in openapi_standin.paths().items()
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stand-in for Copernica's REST API",
            "version": "1",
            "description": _DESCRIPTION,
        },
        "servers": [
            {"url": f"/v{number}", "description": f"Version {number}"} for number in (2, 1, 3, 4)
        ],
        "security": [{"token": []}, {"jwt": []}],
        "tags": [{"name": openapi_standin.TAG, "description": "For tests; no part of the API"}],
        "paths": paths,
        "components": _components(),
    }
