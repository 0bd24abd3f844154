"""The proxy on the way to a server, as the environment says: HTTPS_PROXY, ALL_PROXY, NO_PROXY.

No message names a proxy's address, which may hold a password.
"""

from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass


def proxy_for(address: str) -> str | None:
    """Find the URL of the proxy, user and password included; None if there is no proxy on the way.

    Raises:
        ValueError: the one that the environment names cannot be used.
    """
    parts = urlsplit(address)
    named = getproxies_environment()
    variable = next((name for name in (parts.scheme, "all") if named.get(name)), None)
    if variable is None or _direct(parts):
        return None
    proxy = named[variable]
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    fault = _fault(proxy)
    if fault:
        raise ValueError(f"{fault}, in {variable.upper()}_PROXY")
    return proxy


def passwords(*addresses: str) -> set[str]:
    """Collect what the proxies on the way to some servers are told, and nobody else."""
    urls = {proxy for address in addresses if (proxy := proxy_for(address))}
    return {unquote(urlsplit(url).password or "") for url in urls}


def _direct(parts: SplitResult) -> bool:
    # As a host alone too: an IPv6 address is in brackets where a port follows.
    return any(proxy_bypass(host) for host in (parts.netloc, parts.hostname or ""))


def _fault(proxy: str) -> str | None:
    try:
        parts = urlsplit(proxy)
        usable = parts.hostname and parts.port != 0
    except ValueError:
        return "the proxy has no address that can be read: write http://host:port"
    if parts.scheme not in {"http", "https"}:
        return f"the proxy is one for {parts.scheme}, and only http and https can be used"
    if not usable:
        return "the proxy has no host: write http://host:port"
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if ":" in user or not _is_latin(user + password):
        return "the proxy's user or password has letters that HTTP's Basic scheme cannot carry"
    return None


def _is_latin(text: str) -> bool:
    return all(ord(letter) < 256 for letter in text)
