import pytest

from service.addresses import user, virtual_host


@pytest.mark.parametrize(
    ("url", "vhost", "name"),
    [
        ("amqp://rabbit", "/", "guest"),
        ("amqp://me@rabbit/", "/", "me"),
        ("amqp://me:secret@rabbit:5672/%2F", "/", "me"),
        ("amqps://a%20b:c@rabbit/our%2Fvhost%20x", "our/vhost x", "a b"),
        ("amqp://me:secret@[::1]:5672/events", "events", "me"),
        ("amqps://rabbit/events?auth_mechanism=external", "events", None),
    ],
)
def test_the_virtual_host_and_the_user_are_those_of_the_url(
    url: str, vhost: str, name: str
) -> None:
    assert virtual_host(url) == vhost
    assert user(url) == name
