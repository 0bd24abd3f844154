"""What the versions of the API do each in its own way: token, body, and status of an answer."""

from dataclasses import dataclass

from tests.standin.answers import Answer, empty


@dataclass(frozen=True, slots=True)
class Version:
    """A version; `place` below is the URL for Location, and without its query for X-location.

    `redirects`: 303 where something was made or one profile changed, and 200 otherwise; since
    version 3 it is 201 and 204.
    """

    redirects: bool = True
    flat_body: bool = False
    bearer: bool = False

    def done(self) -> Answer:
        """Answer to a PUT of profiles that made none."""
        return empty(200 if self.redirects else 204)

    def created(self, number: int, place: str) -> Answer:
        """Answer to a PUT of profiles that made one."""
        made = ("X-Created", str(number))
        if self.redirects:
            return empty(303, made, ("Location", place))
        return empty(201, made, _x_location(place))

    def posted(self, number: int, place: str) -> Answer:
        """Answer to a POST of a profile."""
        made = ("X-Created", str(number))
        return empty(201, made, _x_location(place)) if self.bearer else empty(201, made)

    def changed(self, place: str) -> Answer:
        """Answer to a change of one profile."""
        return empty(303, ("Location", place)) if self.redirects else empty(204)

    def removed(self, number: int) -> Answer:
        """Answer to the removal of one profile."""
        return empty(self.done().status, ("X-Deleted", f"profile {number}"))


def _x_location(place: str) -> tuple[str, str]:
    return "X-location", place.partition("?")[0]


USUAL = Version()
NAMED = {
    "v1": Version(flat_body=True),
    "v2": USUAL,
    "v3": Version(redirects=False),
    "v4": Version(redirects=False, bearer=True),
}
