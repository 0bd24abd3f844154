"""The command run: the service itself. It loads nothing that only other commands need."""

from service import logs
from service.commands import terminal
from service.environment import PREFIX
from service.process import PortInUse
from service.process import run as run_process


def run() -> None:
    """Serve until SIGTERM: take events, call the API, publish results.

    Everything is set by PROFILE_SYNC_ variables; README has the table. Only the token is required;
    all that is wrong is listed, with exit code 2. `profile-sync check` looks at more than that.

    \b
        PROFILE_SYNC_ACCESS_TOKEN=... profile-sync run
        PROFILE_SYNC_SECRETS_DIR=/run/secrets/profile-sync \\
            PROFILE_SYNC_AMQP_URL=amqps://user@rabbit/%2F profile-sync run
    """
    settings = terminal.settings()
    salt = settings.access_token.get_secret_value()
    logs.set_up(settings.log_level, settings.log_format, settings.secrets, salt)
    try:
        terminal.in_loop(run_process(settings))
    except PortInUse as error:
        terminal.fail(
            f"{settings.http_host}:{settings.http_port} cannot be listened on: "
            f"{error}; set {PREFIX}HTTP_HOST and {PREFIX}HTTP_PORT",
            terminal.WRONG,
        )
