"""The commands for a deployment, thin: check, topology."""

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, NoReturn

import typer

from service.addresses import user, virtual_host
from service.commands import account, advice, definitions, inspection, moving
from service.commands.findings import (
    Finding,
    State,
    faultless,
    summary,
    unseen,
    worst_last,
    written,
)
from service.commands.management import Management
from service.commands.terminal import (
    FAILED,
    WRONG,
    agreed,
    complain,
    explained,
    fail,
    in_loop,
    interruptible,
    list_faults,
    quiet_settings,
    remedy,
)
from service.settings import Settings
from service.topology import topology as topology_of

_BEFORE_IMPORT = (
    "The exchange type x-modulus-hash takes the plugin rabbitmq_sharding: `rabbitmq-plugins enable "
    "rabbitmq_sharding` on each node before the import. An import does not compare: where there is "
    "another number of partitions, `profile-sync topology --move` changes it, and no import."
)
_BEFORE_MOVE = "Have all replicas that run PROFILE_SYNC_DECLARE_TOPOLOGY=false?"
_COLOURS: dict[State, str] = {
    "ok": typer.colors.GREEN,
    "note": typer.colors.BLUE,
    "warning": typer.colors.YELLOW,
    "fault": typer.colors.RED,
}


def check(
    database: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A database that events write to, by id or name; those of DATABASES too.",
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD", help="A field that events select by, in each database."),
    ] = None,
    management: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="RabbitMQ's management API, http://host:15672, for bindings and policies; the "
            "user and the password are those of AMQP_URL, unless the URL has others.",
        ),
    ] = None,
    grace_period: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=1, help="What Kubernetes gives the pod to end."),
    ] = 30,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Faults only; nothing if there are none.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")] = False,
) -> None:
    """Look at settings, RabbitMQ, the token and databases; exit code 1 if anything is a fault.

    What is worst comes last, each fault with what to do. Nothing is changed, and no message is
    taken. The calls to the API are billed: one, and three for each database.

    \b
        profile-sync check
        profile-sync check --quiet
        profile-sync check --database customers --where customerid
        profile-sync check --management http://rabbit:15672 --json
    """
    refuse = _refuse_as_json if as_json else _refuse
    settings = quiet_settings(token=True, tell=_tell_as_json if as_json else list_faults)
    databases = list(dict.fromkeys([*(database or ()), *_named(settings)]))
    if where and not databases:
        refuse("--where is of databases: name one with --database, or in DATABASES")
    asked = None if management is None else _management(management, settings, refuse)
    with interruptible():
        looked = in_loop(inspection.by_amqp(settings))
        findings = advice.of_settings(settings, grace_period)
        told: list[Finding] = []
        timeout = None
        if asked is not None:
            told, timeout = inspection.by_management(settings, asked, looked)
        else:
            why, todo = "AMQP does not tell them", "give --management URL"
            told.append(unseen("management", "bindings and policies", why, todo))
        findings += [advice.of_holding(settings, timeout), *looked.findings, *told]
        findings += in_loop(account.of_account(settings, databases, where or ()))
    if as_json:
        typer.echo(json.dumps(written(findings)))
    elif quiet:
        _print([finding for finding in findings if finding.state == "fault"])
    else:
        _print(worst_last(findings))
        typer.echo(summary(findings))
    raise typer.Exit(0 if faultless(findings) else FAILED)


def topology(
    show: Annotated[
        bool, typer.Option("--print", help="Definitions, for `rabbitmqctl import_definitions`.")
    ] = False,
    permissions: Annotated[
        bool,
        typer.Option(
            "--permissions",
            help="The least permissions, as a shell script for whoever may use `rabbitmqctl`.",
        ),
    ] = False,
    apply: Annotated[
        bool, typer.Option("--apply", help="Declare and bind what is not there yet.")
    ] = False,
    move: Annotated[
        bool,
        typer.Option("--move", help="Change the number of partitions while events flow."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --move: do not ask before.")] = False,
) -> None:
    """Print the exchanges, queues and bindings of the service, or make them, as `run` does.

    --apply can be repeated; what is there but differs is told and left as it is (exit code 1).
    --permissions gives the service's user what it needs, as DECLARE_TOPOLOGY is set, in place of
    what that user had; what else may be wanted is in comments.

    --move brings about the number of PROFILE_SYNC_PARTITIONS, from 1 or to 1, and loses, repeats
    and reorders nothing: new events go to the new queues, and replicas with the old number do what
    waits in the old ones. It says when to end them, and ends when they are gone. Replicas that run
    need PROFILE_SYNC_DECLARE_TOPOLOGY=false before, or they would bind the old queue anew.
    Interrupted, it goes on when it is run again.

    \b
        profile-sync topology --print > definitions.json
        rabbitmqctl import_definitions definitions.json
        profile-sync topology --permissions | sh
        profile-sync topology --apply
        PROFILE_SYNC_PARTITIONS=4 profile-sync topology --move
    """
    if show + permissions + apply + move != 1:
        fail("give one of --print, --permissions, --apply and --move", WRONG)
    settings = quiet_settings()
    wanted, url = topology_of(settings), settings.amqp_urls[0]
    if show:
        typer.echo(json.dumps(definitions.definitions(wanted, virtual_host(url)), indent=2))
        if settings.partitions > 1:
            complain(_BEFORE_IMPORT)
    elif permissions:
        declares = settings.declare_topology
        lines = definitions.commands(wanted, virtual_host(url), user(url), declares=declares)
        typer.echo("\n".join(lines))
    elif move:
        _move(settings, yes=yes)
    else:
        with explained():
            findings = in_loop(inspection.apply(settings))
        _print(worst_last(findings))
        typer.echo(summary(findings))
        raise typer.Exit(0 if faultless(findings) else FAILED)


def _move(settings: Settings, *, yes: bool) -> None:
    if not (yes or sys.stdin.isatty()):
        fail("nothing is moved: nobody is there to answer; give --yes to do without", WRONG)
    if not (yes or agreed(_BEFORE_MOVE)):
        fail("nothing was moved")
    try:
        with explained():
            in_loop(moving.begin(settings, typer.echo))
    except moving.Stuck as error:
        fail(f"{error}{remedy(str(error))}")
    except SystemExit as end:
        if end.code:
            complain("profile-sync: not at its end; run again, it goes on from there")
        raise


def _named(settings: Settings) -> list[str]:
    return [name.strip() for name in settings.databases.split(",") if name.strip()]


def _management(url: str, settings: Settings, refuse: Callable[[str], NoReturn]) -> Management:
    amqp = settings.amqp_urls[0]
    try:
        return Management(url, amqp, virtual_host(amqp), settings.amqp_certificates)
    except ValueError as error:
        refuse(f"--management: {error}")


def _refuse(text: str) -> NoReturn:
    fail(text, WRONG)


def _refuse_as_json(text: str) -> NoReturn:
    _tell_as_json([text])
    raise typer.Exit(WRONG)


def _tell_as_json(faults: Sequence[str]) -> None:
    """Say as findings what keeps the check from being begun."""
    todo = "mend it, and check again: nothing else was looked at"
    findings = [Finding("settings", "fault", fault, todo) for fault in faults]
    typer.echo(json.dumps(written(findings)))


def _print(findings: Sequence[Finding]) -> None:
    for line in _for_eyes(findings) if sys.stdout.isatty() else _plain(findings):
        typer.echo(line, color=False if os.environ.get("NO_COLOR") else None)


def _plain(findings: Iterable[Finding]) -> Iterator[str]:
    for finding in findings:
        todo = f" -> {finding.todo}" if finding.todo else ""
        yield f"{finding.state}: {finding.area}: {finding.what}{todo}"


def _for_eyes(findings: Sequence[Finding]) -> Iterator[str]:
    """Group findings by what they are about, with coloured marks, as wide as the terminal."""
    width = max(shutil.get_terminal_size().columns, 40) - 11
    for area in dict.fromkeys(finding.area for finding in findings):
        yield typer.style(area, bold=True)
        within = [finding for finding in findings if finding.area == area]
        for finding, after in zip(within, [*within[1:], None], strict=True):
            mark = typer.style(f"{finding.state:9}", fg=_COLOURS[finding.state])
            lines = _wrapped(finding.what, width)
            if finding.todo and (after is None or after.todo != finding.todo):
                lines += _wrapped(f"-> {finding.todo}", width)
            yield f"  {mark}" + f"\n{' ' * 11}".join(lines)
        yield ""


def _wrapped(text: str, width: int) -> list[str]:
    # Names and commands stay whole, to be copied.
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
