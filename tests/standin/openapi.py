"""The calls that the stand-in answers, as an OpenAPI 3.1 document."""

from typing import Any, TypeAlias

from tests.standin.rule import Rule

Object: TypeAlias = dict[str, Any]

_STANDIN = "stand-in"
_DESCRIPTION = """\
A stand-in for Copernica's REST API, for development and tests. It plays what is known of the API;
what no source settles is listed at `/__standin/choices`. The paths tagged `stand-in` are no part of
the API and know no version.

With version 4 the token travels as `Authorization: Bearer`, with the others as `access_token` in
the query.
"""


def _ref(name: str, kind: str = "schemas") -> Object:
    return {"$ref": f"#/components/{kind}/{name}"}


def _object(properties: Object, **more: Any) -> Object:
    return {"type": "object", "properties": properties, **more}


def _list(items: Object) -> Object:
    return {"type": "array", "items": items}


def _json(schema: Object) -> Object:
    return {"application/json": {"schema": schema}}


def _answer(text: str, schema: Object | None = None, *headers: str) -> Object:
    """Describe an answer; without a schema its body is empty, though it may have a type."""
    answer: Object = {"description": text, "content": _json(schema) if schema else {}}
    if headers:
        answer["headers"] = {name: {"schema": {"type": "string"}} for name in headers}
    return answer


def _empty(text: str, *headers: str) -> Object:
    answer = _answer(text, None, *headers)
    return {**answer, "content": {"application/json": {}}}


def _parameter(name: str, text: str, schema: Object, **more: Any) -> Object:
    return {"name": name, "in": "query", "description": text, "schema": schema, **more}


def _body(schema: Object, *kinds: str) -> Object:
    kinds = kinds or ("application/json", "application/x-www-form-urlencoded")
    return {"content": {kind: {"schema": schema} for kind in kinds}}


def _operation(summary: str, responses: Object, *parameters: Object, **more: Any) -> Object:
    """Describe a call of the API: each may be refused, and in version 4 for its token."""
    refusals = {"400": _ref("Refused", "responses"), "401": _ref("Unauthorized", "responses")}
    operation = {"summary": summary, "responses": responses | refusals, **more}
    return {**operation, "parameters": list(parameters)} if parameters else operation


def _control(summary: str, responses: Object, *parameters: Object, **more: Any) -> Object:
    operation = {"tags": [_STANDIN], "summary": summary, "security": [], "responses": responses}
    return {**operation, **more, "parameters": list(parameters)}


_TEXT: Object = {"type": "string"}
_NUMBER: Object = {"type": "integer"}
_TRUTH: Object = {"type": "string", "enum": ["0", "1", "true", "false", "yes", "no"]}
_MISTAKE = {"400": _ref("Refused", "responses")}
_FIELDS: Object = {"type": "object", "additionalProperties": {"type": ["string", "number", "null"]}}
_CONDITIONS = _parameter(
    "fields[]",
    "Conditions `FIELD OPERATOR VALUE` without blanks; all must hold",
    {"type": "array", "items": {"type": "string", "examples": ["customerid==4567"]}},
    style="form",
    explode=True,
)
_PAGE = (
    _parameter("start", "How many to skip", {"type": "integer", "default": 0}),
    _parameter("limit", "How many at most, up to 1000", {"type": "integer", "default": 100}),
    _parameter("total", "Whether to count all", _TRUTH),
)
_DATABASE: Object = {
    "name": "database",
    "in": "path",
    "required": True,
    "description": "Id, or name in any case",
    "schema": {"type": "string", "minLength": 1, "examples": ["1", "Customers"]},
}
_PROFILE: Object = {
    "name": "profile",
    "in": "path",
    "required": True,
    "schema": {"type": "integer", "minimum": 1},
}
_CHANGED = {
    "303": _empty("Changed (versions 1 and 2); Location is the profile", "Location"),
    "204": _answer("Changed (versions 3 and 4)"),
}


def _page_of(name: str) -> Object:
    numbers: Object = dict.fromkeys(("start", "limit", "count", "nextid", "total"), _NUMBER)
    properties = {**numbers, "data": _list(_ref(name))}
    return _object(properties, required=["start", "limit", "count", "data"])


def _profiles() -> Object:
    created = ("X-Created",)
    return {
        "parameters": [_DATABASE],
        "get": _operation(
            "List the profiles that match",
            {"200": _answer("A page of profiles", _page_of("Profile"))},
            _CONDITIONS,
            *_PAGE,
            _parameter("orderby", "id, modified, random, or the name or id of a field", _TEXT),
            _parameter("order", "Ascending if not `desc`", _TEXT),
            _parameter("dataonly", "Whether to give ID, fields, interests, modified only", _TRUTH),
        ),
        "put": _operation(
            "Change the profiles that match",
            {
                "200": _empty("Changed (versions 1 and 2); the profiles, if so switched"),
                "201": _empty("One was made (versions 3 and 4)", *created, "X-location"),
                "204": _answer("Changed (versions 3 and 4)"),
                "303": _empty("One was made (versions 1 and 2)", *created, "Location"),
            },
            {**_CONDITIONS, "required": True},
            _parameter("create", "Whether to make a profile if none matches", _TRUTH),
            _parameter("async", "Whether to answer before it is done", _TRUTH),
            requestBody=_body(_ref("ProfileData")),
        ),
        "post": _operation(
            "Make a profile",
            {"201": _empty("Made", *created)},
            requestBody=_body(_ref("ProfileData")),
        ),
    }


def _one_profile() -> Object:
    change = _operation("Change a profile", _CHANGED, requestBody=_body(_ref("ProfileData")))
    return {
        "parameters": [_PROFILE],
        "get": _operation("Give a profile", {"200": _answer("It", _ref("Profile"))}),
        "put": change,
        "post": {**change, "summary": "Change a profile, as PUT does"},
        "delete": _operation(
            "Remove a profile",
            {
                "200": _empty("Removed (versions 1 and 2)", "X-Deleted"),
                "204": _answer("Removed (versions 3 and 4)", None, "X-Deleted"),
            },
        ),
    }


def _fields_of_a_profile() -> Object:
    change = _operation("Change fields", _CHANGED, requestBody=_body(_FIELDS))
    return {
        "parameters": [_PROFILE],
        "get": _operation("Give the fields", {"200": _answer("By name", _ref("Fields"))}),
        "put": change,
        "post": {**change, "summary": "Change fields, as PUT does"},
    }


def _described(kind: str, schema: str) -> Object:
    page = {"200": _answer(f"A page of {kind}", _page_of(schema))}
    return {
        "parameters": [_DATABASE],
        "get": _operation(f"List the {kind} of a database", page, *_PAGE),
    }


def _account() -> Object:
    day: Object = {"type": "string", "format": "date"}
    consumed = _answer("Numbers by kind", {"type": "object", "additionalProperties": _NUMBER})
    return {
        "/identity": {
            "get": _operation(
                "Tell whose token it is",
                {"200": _answer("The account", {"type": "object", "additionalProperties": _TEXT})},
            )
        },
        "/consumption": {
            "get": _operation(
                "Tell how much was used",
                {"200": consumed},
                _parameter("begin", "First day", day, required=True),
                _parameter("end", "Last day", day, required=True),
            )
        },
    }


def _authenticate() -> Object:
    token = _object({"access_token": _TEXT}, required=["access_token"])
    made = {"description": "The JWT", "content": {"text/plain": {"schema": _TEXT}}}
    return {
        "servers": [{"url": "/"}],
        "post": {
            "summary": "Exchange the access token for a JWT of version 4",
            "security": [],
            "requestBody": _body(token, "application/x-www-form-urlencoded"),
            "responses": {"200": made, **_MISTAKE},
        },
    }


def _controls() -> dict[str, Object]:
    rules: Object = {"oneOf": [_ref("Rule"), {**_list(_ref("Rule")), "minItems": 1}]}
    in_force = {"200": _answer("The rules, how often each happened, and will", _list(_object({})))}
    ordered = in_force | _MISTAKE
    done = _answer("Done")
    after = _parameter("after", "Only entries with a higher number", {**_NUMBER, "minimum": 0})
    return {
        "/__standin": {"get": _control("Name the paths", {"200": _answer("Them", _object({}))})},
        "/__standin/journal": {
            "get": _control(
                "Tell the requests, oldest first",
                {"200": _answer("Requests", _list(_object({}))), **_MISTAKE},
                after,
            ),
            "delete": _control("Forget them", {"204": done}),
        },
        "/__standin/faults": {
            "get": _control("Tell the rules", in_force),
            "put": _control("Replace all", ordered, requestBody=_body(rules, "application/json")),
            "post": _control("Add some", ordered, requestBody=_body(rules, "application/json")),
            "delete": _control("Take all back", in_force),
        },
        "/__standin/choices": {
            "get": _control("Tell choices", {"200": _answer("Choices", _list(_object({})))})
        },
        "/__standin/seed": {
            "put": _control(
                "Replace all data",
                {"204": done, **_MISTAKE},
                requestBody=_body(_ref("Seed"), "application/json"),
            ),
            "delete": _control("Go back to the data of the start", {"204": done}),
        },
        "/openapi.json": {
            "get": _control("Give this document", {"200": _answer("It", _object({}))})
        },
    }


def _schemas() -> Object:
    names = _list(_TEXT)
    switches: Object = {"type": "object", "additionalProperties": {"enum": [0, 1]}}
    properties = {
        "ID": _TEXT,
        "fields": _ref("Fields"),
        "interests": names,
        "database": _TEXT,
        "secret": _TEXT,
        "created": _TEXT,
        "modified": _TEXT,
        "removed": {"type": ["boolean", "string"]},
    }
    flags: Object = {
        key: {"type": "boolean"} for key in ("displayed", "ordered", "hidden", "index")
    }
    texts: Object = dict.fromkeys(("ID", "name", "type", "value", "length", "textlines"), _TEXT)
    error = _object({"message": _TEXT}, required=["message"], additionalProperties=False)
    rule = Rule.model_json_schema(ref_template="#/components/schemas/{model}")
    return {
        "Fields": {"type": "object", "additionalProperties": _TEXT},
        "Profile": _object(properties, required=["ID", "fields", "interests", "modified"]),
        "ProfileData": _object(
            {"fields": _FIELDS, "interests": {"oneOf": [names, switches]}, "secret": _TEXT}
        ),
        "Field": _object(texts | flags, required=["ID", "name", "type"]),
        "Interest": _object({"ID": _TEXT, "name": _TEXT, "group": _TEXT}, required=["ID", "name"]),
        "Error": _object({"error": error}, required=["error"], additionalProperties=False),
        "Seed": _object({"databases": _list(_object({}))}),
        **rule.pop("$defs"),
        "Rule": rule,
    }


def _components() -> Object:
    error = _ref("Error")
    return {
        "schemas": _schemas(),
        "responses": {
            "Refused": _answer("Refused; the message says why", error),
            "Unauthorized": _answer("Token wrong or expired (version 4)", error),
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
        **{path: {"servers": [{"url": "/"}], **item} for path, item in _controls().items()},
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
        "tags": [{"name": _STANDIN, "description": "For tests; no part of the API"}],
        "paths": paths,
        "components": _components(),
    }
