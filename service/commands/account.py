"""Whether the API takes the token, and what it knows of databases: findings."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from pydantic_core import from_json

from service import proxies
from service.catalogue import Catalogue, nearest
from service.catalogues import Catalogues
from service.commands.findings import Finding, unseen
from service.copernica import Copernica
from service.metrics import Metrics
from service.outcomes import Refused, Retry, listed, unanswered
from service.profiles import Answer, Response, get_database, get_identity
from service.settings import Settings

_TODO = {
    "token": "mend ACCESS_TOKEN, or the rights of that token",
    "configuration": "look at API_URL and AUTH_URL, the proxy, and the CAs that are trusted",
    "outage": "is the API up, and can it be reached from here?",
}
_CAUSES = frozenset(_TODO.values())  # which are not those of one database


async def of_account(
    settings: Settings, databases: Sequence[str], fields: Sequence[str]
) -> list[Finding]:
    """Ask the API whose the token is, and what each database has: three calls each.

    `fields` are those that events select by.
    """
    async with Copernica(settings, Metrics()) as copernica:
        answer = await copernica.send(get_identity())
        findings = [*_of_the_way(settings), _of_identity(settings.api_url, answer)]
        catalogues = Catalogues(copernica, settings.field_cache_seconds)
        for database in databases:
            if any(finding.state == "fault" and finding.todo in _CAUSES for finding in findings):
                findings.append(unseen(f"database {database}", "its fields", "the API failed"))
            else:
                findings += await _of_database(copernica, catalogues, database, fields)
    if not databases:
        todo = "name them with --database, or in DATABASES"
        findings.append(unseen("API", "databases", "none is named", todo))
    return findings


def of_catalogue(area: str, catalogue: Catalogue, fields: Sequence[str]) -> list[Finding]:
    """Tell what is doubtful about a database's fields, and about those that events select by."""
    findings = []
    known = list(catalogue.fields.values())
    if not known:
        findings.append(Finding(area, "warning", "has no fields: events have nothing to select by"))
    for field in known:
        if field.type == "select" and not field.choices:
            what = f"{field.name} is a select field without choices: it takes no value"
            findings.append(Finding(area, "warning", what, "give it choices in Copernica"))
    indexed = [field.name for field in known if field.indexed]
    if not fields and indexed:
        what = f"indexed: {', '.join(indexed)}; to select by another field is slower"
        findings.append(Finding(area, "note", what))
    elif not fields and any(field.indexed is False for field in known):
        todo = "have Copernica index those that events select by"
        findings.append(Finding(area, "warning", "no field is indexed: selecting is slow", todo))
    return findings + [_of_field(area, catalogue, name) for name in fields]


def _of_field(area: str, catalogue: Catalogue, name: str) -> Finding:
    field = catalogue.selectable(name)
    if field is None:
        near = nearest(name, frozenset(one.name for one in catalogue.fields.values()))
        todo = "select by a field that the database has, or have Copernica add it"
        return Finding(area, "fault", f"there is no field {name} to select by{near}", todo)
    if field.indexed is False:
        what = f"{field.name} is not indexed: the more profiles, the slower it is to select by"
        return Finding(area, "warning", what, "have Copernica index it")
    return Finding(area, "ok", f"{field.name} can be selected by")


def _of_the_way(settings: Settings) -> list[Finding]:
    proxy = proxies.proxy_for(settings.api_url)
    if proxy is None:
        return []
    host = urlsplit(proxy).netloc.rpartition("@")[2]
    return [Finding("API", "note", f"called by way of the proxy {host}")]


def _of_identity(api_url: str, answer: Answer) -> Finding:
    failure = unanswered(answer)
    if failure is not None:
        return Finding("API", "fault", f"{api_url}: {failure.detail}", _TODO[failure.cause])
    try:
        told = from_json(answer.body) if isinstance(answer, Response) else {}
        names = [str(told[name]) for name in ("name", "company") if told.get(name)]
    except (ValueError, TypeError, AttributeError):
        names = []
    who = f" as {', '.join(names)}" if names else ""
    return Finding("API", "ok", f"{api_url} takes the token{who}")


async def _of_database(
    copernica: Copernica, catalogues: Catalogues, database: str, fields: Sequence[str]
) -> list[Finding]:
    area = f"database {database}"
    found = listed(database, await copernica.send(get_database(database)))
    if isinstance(found, Retry | Refused):
        return [_untold(area, found)]
    number = str(found[0]["ID"]) if found else database
    known = await catalogues.read(number)
    if isinstance(known, Retry | Refused):
        return [_untold(area, known)]
    catalogue = known.catalogue
    name = str(found[0].get("name", "")) if found else ""
    what = (
        f"is {catalogue.database} {name}".rstrip() + f", with {len(catalogue.fields)} fields "
        f"and {len(catalogue.interests)} interests"
    )
    return [Finding(area, "ok", what), *of_catalogue(area, catalogue, fields)]


def _untold(area: str, failure: Retry | Refused) -> Finding:
    if isinstance(failure, Refused):
        todo = "write its id or name as Copernica has it, or use the token of its account"
        return Finding(area, "fault", failure.detail, todo)
    return Finding(area, "fault", failure.detail, _TODO[failure.cause])
