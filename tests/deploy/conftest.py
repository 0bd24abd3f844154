"""What the tests of deploy/ share."""

from pathlib import Path

import pytest

from tests.certificates import Authority, write_pair


@pytest.fixture
def files_of_tls(tmp_path: Path) -> dict[str, str]:
    """Real files in place of those that the component rabbitmq-tls mounts, by their paths there."""
    authority = Authority()
    certificate, key = write_pair(authority.issue(), tmp_path)
    mounted = "/run/secrets/profile-sync-rabbitmq"
    return {
        f"{mounted}/ca.crt": authority.write(tmp_path / "ca.pem"),
        f"{mounted}/tls.crt": certificate,
        f"{mounted}/tls.key": key,
    }
