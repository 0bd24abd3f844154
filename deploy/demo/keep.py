"""`--keep`: everything stays up, its addresses are told, and results are shown as they come."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlsplit

from deploy.demo.cases import DATABASE
from deploy.demo.programs import PREFIX, TOKEN, Interrupted
from deploy.demo.screen import Screen
from deploy.demo.sender import RESULTS, Arrival
from deploy.demo.stage import Stage

_FOR_COMMANDS = (
    "AMQP_URL",
    "API_URL",
    "AUTH_URL",
    "ACCESS_TOKEN",
    "HTTP_HOST",
    "HTTP_PORT",
    "PARTITIONS",
)


def tell_addresses(screen: Screen, stage: Stage, event: Path) -> None:
    """Print where everything is, and commands to play with."""
    vhost, standin, service = stage.vhost, stage.standin, stage.service
    queue = f"{vhost.broker.management_url}/#/queues/{quote(vhost.name, safe='')}/{RESULTS}"
    url, login = _login(vhost.amqp_url)
    screen.title("Everything stays up until Ctrl-C; results show below as they come")
    screen.pair("commands", "in another terminal, in the project's folder; first:")
    settings = {**service.settings, "AMQP_URL": url}
    given = (f"{PREFIX}{name}={settings[name]}" for name in _FOR_COMMANDS)
    print("\nexport " + " \\\n  ".join(given), end="\n\n")
    screen.pair("check", f"./dev run check --database {DATABASE[0]} --where customerid")
    screen.pair("send", f"./dev run send {os.path.relpath(event)}")
    screen.pair("watch", "./dev run watch")
    screen.pair("dead letters", "./dev run dead-letters list")
    screen.pair("all", "./dev run --help")
    print()
    screen.pair("results", f'{queue}  ("Get messages"; {login})')
    screen.pair("metrics", f"{service.url}/metrics")
    screen.pair("readiness", f"{service.url}/readyz")
    screen.pair(
        "profiles", f"{standin.url}/v2/database/{DATABASE[0]}/profiles?access_token={TOKEN}"
    )
    screen.pair("API calls", f"{standin.url}/__standin/journal")
    screen.pair("log", f"tail -f {service.log_file}")
    print(flush=True)


def show_results(stage: Stage, show: Callable[[Arrival], None]) -> None:
    """Show results until Ctrl-C, which is how it is meant to end.

    Raises:
        DemoFailed: a program has ended.
        Interrupted: by SIGTERM.
    """
    try:
        while True:
            for arrival in stage.sender.arrivals(0.5):
                show(arrival)
            stage.check()
    except Interrupted as interrupted:
        if interrupted.number != signal.SIGINT:
            raise


def _login(amqp_url: str) -> tuple[str, str]:
    """Return the URL and the login to print: a password that is not RabbitMQ's own stays out."""
    parts = urlsplit(amqp_url)
    if parts.password in (None, "guest"):
        return amqp_url, "login guest / guest"
    hidden = parts.netloc.replace(f":{parts.password}@", ":PASSWORD@")
    return parts._replace(netloc=hidden).geturl(), f"login {parts.username} / your password"
