"""The service's own client, pointed at a socket of the test."""

from service.copernica import Copernica
from service.metrics import Metrics
from service.settings import Settings


def client(port: int, version: str = "v2", **values: object) -> Copernica:
    """Make a client with the access token `xxxx`; calls and AUTH_URL go to a port of this host."""
    defaults = {
        "access_token": "xxxx",
        "api_url": f"http://127.0.0.1:{port}/{version}",
        "auth_url": f"http://127.0.0.1:{port}/authenticate",
        "request_timeout": 5,
    }
    return Copernica(Settings.load(**{**defaults, **values}), Metrics())
