"""A request to the API as it came in, and what its path says."""

from dataclasses import dataclass, field
from urllib.parse import unquote

from tests.standin import versions
from tests.standin.versions import Version


@dataclass(slots=True)
class Call:
    """A request; `ids` collects the profiles it touches.

    `think_time`, in seconds, replaces that of the switches for this call.
    """

    method: str
    path: bytes
    query: str
    content_type: str
    host: str
    authorization: str
    body: bytes
    ids: list[int] = field(default_factory=list)
    think_time: float | None = None

    def target(self) -> tuple[Version, list[str]]:
        """Return the version that the path begins with, and the segments after it."""
        version, rest = self._split()
        return version, [unquote(part) for part in rest.split("/") if part]

    def place(self, path: str) -> str:
        """Return the URL of a path, as Location has it: without version, with the whole query."""
        return f"http://{self.host}/{path}" + (f"?{self.query}" if self.query else "")

    def own_place(self) -> str:
        """Return the URL of this call, as Location has it."""
        return self.place(self._split()[1])

    def _split(self) -> tuple[Version, str]:
        path = self.path.decode("ascii", "replace").lstrip("/")
        first, _, rest = path.partition("/")
        version = versions.NAMED.get(first)
        return (version, rest) if version else (versions.USUAL, path)
