import itertools
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from service.environment import PREFIX, unknown_variables
from service.settings import Settings, WrongSettings
from service.tls import Certificates
from service.topology import markers, partitions_exchange, topology
from tests.certificates import Authority, write_pair

AUTHORITY = Authority()
ENCRYPTED = {"AMQP_URL": "amqp://rabbit-1,amqps://rabbit-2"}
TOKEN = "tok-qx7v9"
PASSWORD = "pw-qx7v9"


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILE_SYNC_ACCESS_TOKEN", TOKEN)


def faults(monkeypatch: pytest.MonkeyPatch, **variables: str) -> list[str]:
    for name, value in variables.items():
        monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(WrongSettings) as caught:
        Settings.load()
    return caught.value.faults


def loaded(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(PREFIX + name, value)
    return Settings.load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("api_url", "https://api.copernica.com/v2"),
        ("auth_url", "https://authenticate.copernica.com"),
        ("amqp_urls", ["amqp://guest:guest@127.0.0.1:5672/%2F"]),
        ("event_exchange", "profile-sync.events"),
        ("event_queue", "profile-sync.events"),
        ("result_exchange", "profile-sync.results"),
        ("result_queue", "profile-sync.results"),
        ("dead_letter_exchange", "profile-sync.dead-letters"),
        ("dead_letter_queue", "profile-sync.dead-letters"),
        ("declare_topology", True),
        ("delivery_limit", 100),
        ("partitions", 1),
        ("max_in_flight", 32),
        ("window", 512),
        ("request_timeout", 10),
        ("connect_timeout", 5),
        ("confirm_timeout", 35),
        ("retry_base", 0.5),
        ("retry_max", 60),
        ("ambiguous_wait", 20),
        ("max_response_bytes", 1048576),
        ("heartbeat", 10),
        ("read_back", "auto"),
        ("max_event_bytes", 262144),
        ("timezone", "Europe/Amsterdam"),
        ("drain_timeout", 25),
        ("http_host", "0.0.0.0"),  # noqa: S104
        ("http_port", 8000),
        ("log_level", "info"),
        ("log_format", "json"),
        ("result_include_secret", False),
        ("allow_plain_http", False),
    ],
)
def test_has_the_defaults_of_the_contract(name: str, value: object) -> None:
    assert getattr(Settings.load(), name) == value


def test_looks_for_secrets_where_the_contract_says() -> None:
    assert Settings.model_fields["secrets_dir"].default == "/run/secrets/profile-sync"


def test_needs_a_token_and_says_where_to_put_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROFILE_SYNC_ACCESS_TOKEN")
    (fault,) = faults(monkeypatch)
    assert fault.startswith("PROFILE_SYNC_ACCESS_TOKEN: is required")
    assert "PROFILE_SYNC_SECRETS_DIR" in fault


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ACCESS_TOKEN", ""),
        ("ACCESS_TOKEN", "a b"),
        ("ACCESS_TOKEN", "a\nb"),
        ("API_URL", ""),
        ("API_URL", "https://api.copernica.com"),
        ("API_URL", "https://api.copernica.com/v1"),
        ("API_URL", "https://api.copernica.com/v22"),
        ("API_URL", "ftp://api.copernica.com/v2"),
        ("API_URL", "https:///v2"),
        ("API_URL", "https://api.copernica.com:0/v2"),
        ("API_URL", "https://api.copernica.com:99999/v2"),
        ("API_URL", f"https://user:{PASSWORD}@api.copernica.com/v2"),
        ("API_URL", f"https://:{PASSWORD}@api.copernica.com/v2"),
        ("API_URL", f"https://api.copernica.com/v2?access_token={TOKEN}"),
        ("API_URL", "https://api.copernica.com/v2#x"),
        ("API_URL", "https://[::1/v2"),
        ("API_URL", "http://api.copernica.com/v2"),
        ("API_URL", "http://10.0.0.1/v2"),
        ("API_URL", "http://localhost.example.com/v2"),
        ("API_URL", "https://api.copernica.com/v5"),
        ("AUTH_URL", ""),
        ("AUTH_URL", "authenticate.copernica.com"),
        ("AUTH_URL", "http://authenticate.copernica.com"),
        ("AUTH_URL", f"https://user:{PASSWORD}@authenticate.copernica.com"),
        ("AUTH_URL", f"https://authenticate.copernica.com?access_token={TOKEN}"),
        ("AMQP_URL", ""),
        ("AMQP_URL", "localhost"),
        ("AMQP_URL", f"http://u:{PASSWORD}@h/"),
        ("AMQP_URL", f"amqp://u:{PASSWORD}@h:port/"),
        ("AMQP_URL", f"amqp://u:{PASSWORD}@h/,"),
        ("AMQP_URL", f"amqp://u:{PASSWORD}@/"),
        ("EVENT_EXCHANGE", ""),
        ("EVENT_QUEUE", ""),
        ("RESULT_EXCHANGE", ""),
        ("DEAD_LETTER_EXCHANGE", ""),
        ("DEAD_LETTER_QUEUE", ""),
        ("EVENT_QUEUE", "x" * 256),
        ("DECLARE_TOPOLOGY", "maybe"),
        ("DELIVERY_LIMIT", "0"),
        ("DELIVERY_LIMIT", "-1"),
        ("MAX_IN_FLIGHT", "0"),
        ("MAX_IN_FLIGHT", "1.5"),
        ("PARTITIONS", "0"),
        ("PARTITIONS", "257"),
        ("PREFETCH", "0"),
        ("PREFETCH", "2001"),
        ("REQUEST_TIMEOUT", "0"),
        ("REQUEST_TIMEOUT", "nan"),
        ("REQUEST_TIMEOUT", "10s"),
        ("CONNECT_TIMEOUT", "-1"),
        ("CONFIRM_TIMEOUT", "inf"),
        ("RETRY_BASE", "0"),
        ("RETRY_MAX", "x"),
        ("HEARTBEAT", "0"),
        ("HEARTBEAT", "1.5"),
        ("READ_BACK", "always"),
        ("MAX_EVENT_BYTES", "0"),
        ("MAX_RESPONSE_BYTES", "1GB"),
        ("TIMEZONE", "Europe/Hilversum"),
        ("TIMEZONE", "../../etc/passwd"),
        ("HTTP_PORT", "-1"),
        ("HTTP_PORT", "65536"),
        ("HTTP_HOST", ""),
        ("LOG_LEVEL", "verbose"),
        ("LOG_FORMAT", "xml"),
        ("RESULT_INCLUDE_SECRET", "2"),
    ],
)
def test_refuses_in_one_sentence_without_the_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    (fault,) = faults(monkeypatch, **{name: value})
    assert fault.startswith(f"{PREFIX}{name}: ")
    assert PASSWORD not in fault
    assert TOKEN not in fault
    assert len(value) < 4 or value not in fault


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_URL", "https://api.copernica.com/v3"),
        ("API_URL", "https://api.copernica.com/v4"),
        ("AUTH_URL", "http://127.0.0.1:8080/authenticate"),
        ("API_URL", "https://rest.copernica.com/v2"),
        ("API_URL", "https://proxy.example.com:8443/copernica/v2"),
        ("API_URL", "http://localhost:8080/v2"),
        ("API_URL", "http://127.0.0.1:8080/v2"),
        ("API_URL", "http://[::1]:8080/v2"),
        ("AMQP_URL", "amqps://u:p%40w@one/%2F"),
        ("RESULT_QUEUE", ""),
        ("DELIVERY_LIMIT", "1"),
        ("PREFETCH", "2000"),
        ("READ_BACK", "never"),
        ("TIMEZONE", "UTC"),
        ("HTTP_PORT", "0"),
        ("LOG_LEVEL", "debug"),
        ("LOG_FORMAT", "text"),
        ("DECLARE_TOPOLOGY", "false"),
    ],
)
def test_takes(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    loaded(monkeypatch, **{name: value})


def test_takes_plain_http_if_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch, API_URL="http://api:8080/v2", ALLOW_PLAIN_HTTP="true")
    assert settings.api_url == "http://api:8080/v2"


def test_says_how_to_allow_plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    (fault,) = faults(monkeypatch, API_URL="http://api:8080/v2")
    assert "PROFILE_SYNC_ALLOW_PLAIN_HTTP=true" in fault


def test_tries_several_nodes_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch, AMQP_URL="amqp://u:p@one/%2F, amqps://u:p@two:5671/%2F")
    assert settings.amqp_urls == ["amqp://u:p@one/%2F", "amqps://u:p@two:5671/%2F"]


@pytest.mark.parametrize(
    ("variables", "window"),
    [
        ({"MAX_IN_FLIGHT": "2"}, 32),
        ({"MAX_IN_FLIGHT": "1000"}, 2000),
        ({"MAX_IN_FLIGHT": "2", "PREFETCH": "5"}, 5),
        ({"MAX_IN_FLIGHT": "2", "PARTITIONS": "4"}, 8),
        ({"PREFETCH": "5", "PARTITIONS": "8"}, 1),
    ],
    ids=str,
)
def test_holds_sixteen_events_a_call_or_what_is_set(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], window: int
) -> None:
    assert loaded(monkeypatch, **variables).window == window


class TestCrossChecks:
    def test_the_ambiguous_wait_outlasts_a_call(self, monkeypatch: pytest.MonkeyPatch) -> None:
        (fault,) = faults(
            monkeypatch,
            HEARTBEAT="30",
            REQUEST_TIMEOUT="12",
            AMBIGUOUS_WAIT="41.5",
        )
        assert fault.startswith("PROFILE_SYNC_AMBIGUOUS_WAIT: ")
        for part in ("HEARTBEAT", "REQUEST_TIMEOUT", "42"):
            assert part in fault

    def test_the_drain_outlasts_two_calls(self, monkeypatch: pytest.MonkeyPatch) -> None:
        (fault,) = faults(
            monkeypatch, REQUEST_TIMEOUT="12.5", AMBIGUOUS_WAIT="60", DRAIN_TIMEOUT="25"
        )
        assert fault.startswith("PROFILE_SYNC_DRAIN_TIMEOUT: ")
        for part in ("REQUEST_TIMEOUT", "25"):
            assert part in fault

    def test_a_changed_timeout_is_checked_against_the_defaults(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        named = [fault.partition(":")[0] for fault in faults(monkeypatch, REQUEST_TIMEOUT="13")]
        assert named == ["PROFILE_SYNC_AMBIGUOUS_WAIT", "PROFILE_SYNC_DRAIN_TIMEOUT"]

    def test_the_limits_themselves_are_fine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loaded(
            monkeypatch,
            HEARTBEAT="30",
            REQUEST_TIMEOUT="12",
            AMBIGUOUS_WAIT="42",
            DRAIN_TIMEOUT="24.1",
        )


def test_lists_all_faults_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROFILE_SYNC_ACCESS_TOKEN")
    found = faults(
        monkeypatch,
        AMQP_URL=f"u:{PASSWORD}@h",
        API_URL="x",
        HTTP_PORT="x",
        HEARTBEAT="x",
        DRAIN_TIMEOUT="1",
        HTTP_PROT="1",
    )
    assert {fault.partition(":")[0].removeprefix(PREFIX) for fault in found} == {
        "ACCESS_TOKEN",
        "AMQP_URL",
        "API_URL",
        "HTTP_PORT",
        "HEARTBEAT",
        "DRAIN_TIMEOUT",
        "HTTP_PROT",
    }


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ACCES_TOKEN", "ACCESS_TOKEN"),
        ("HTTP_PROT", "HTTP_PORT"),
        ("RABBITMQ_URL", None),
        ("XYZ", None),
    ],
)
def test_names_an_unknown_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str | None
) -> None:
    (fault,) = faults(monkeypatch, **{name: TOKEN})
    assert fault.startswith(f"{PREFIX}{name}: ")
    assert TOKEN not in fault
    if meant:
        assert f"{PREFIX}{meant}?" in fault


@pytest.mark.parametrize("service", ["", "METRICS_", "RABBITMQ_", "EVENT_QUEUE_"])
def test_ignores_what_kubernetes_sets_for_a_service(
    monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    links = {
        "SERVICE_HOST": "10.0.0.1",
        "SERVICE_PORT": "8000",
        "SERVICE_PORT_HTTP": "8000",
        "SERVICE_PORT_AMQP_TLS": "8000",
        "PORT": "tcp://10.0.0.1:8000",
        "PORT_8000_TCP": "tcp://10.0.0.1:8000",
        "PORT_8000_TCP_PROTO": "tcp",
        "PORT_8000_TCP_PORT": "8000",
        "PORT_8000_TCP_ADDR": "10.0.0.1",
        "PORT_53_UDP_ADDR": "10.0.0.1",
    }
    loaded(monkeypatch, **{service + name: value for name, value in links.items()})


def test_leaves_the_variables_of_the_tests_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded(monkeypatch, TEST_AMQP_URL="amqp://h")


def test_leaves_other_programs_variables_alone() -> None:
    assert (
        unknown_variables(
            {"PROFILE_SYNCER": "x", "PATH": "x", "profile_sync_x": "x"}, Settings.model_fields
        )
        == []
    )


class TestSecretsDir:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("PROFILE_SYNC_SECRETS_DIR", str(tmp_path))
        monkeypatch.delenv("PROFILE_SYNC_ACCESS_TOKEN")
        return tmp_path

    @pytest.mark.parametrize("ending", ["", "\n", "\r\n"], ids=repr)
    def test_has_a_file_for_a_setting(self, folder: Path, ending: str) -> None:
        (folder / "access_token").write_bytes(f"file-token{ending}".encode())
        (folder / "amqp_url").write_text("amqp://u:p@h/%2F")
        (folder / "max_in_flight").write_text("7\n")
        settings = Settings.load()
        assert settings.access_token.get_secret_value() == "file-token"
        assert settings.amqp_urls == ["amqp://u:p@h/%2F"]
        assert settings.max_in_flight == 7

    def test_yields_to_the_environment(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "access_token").write_text("file-token")
        monkeypatch.setenv("PROFILE_SYNC_ACCESS_TOKEN", "own-token")
        assert Settings.load().access_token.get_secret_value() == "own-token"

    def test_may_have_other_files(self, folder: Path) -> None:
        (folder / "access_token").write_text("file-token")
        (folder / "tls.crt").write_text("x")
        (folder / "..data").mkdir()
        Settings.load()

    def test_may_be_missing_unless_it_is_named(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PROFILE_SYNC_ACCESS_TOKEN", "own-token")
        monkeypatch.setenv("PROFILE_SYNC_SECRETS_DIR", str(folder / "none"))
        with pytest.raises(WrongSettings, match="SECRETS_DIR: there is no such folder"):
            Settings.load()
        monkeypatch.delenv("PROFILE_SYNC_SECRETS_DIR")
        Settings.load()

    def test_has_no_file_that_nearly_sets_something(self, folder: Path) -> None:
        (folder / "access_token").write_text("file-token")
        (folder / "amqp_urls").write_text("x")
        with pytest.raises(WrongSettings, match="no file amqp_urls is read; did you mean amqp_url"):
            Settings.load()

    @pytest.mark.parametrize(
        "content", [b"", b"\n", b"a b", b"tok-\xff"], ids=["empty", "line break", "blank", "bytes"]
    )
    def test_has_usable_files(self, folder: Path, content: bytes) -> None:
        (folder / "access_token").write_bytes(content)
        with pytest.raises(WrongSettings) as caught:
            Settings.load()
        assert [fault.partition(":")[0] for fault in caught.value.faults] == [
            "PROFILE_SYNC_ACCESS_TOKEN"
        ]


def test_a_commands_own_defaults_come_last(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.load(access_token="unused").access_token.get_secret_value() == TOKEN
    monkeypatch.delenv("PROFILE_SYNC_ACCESS_TOKEN")
    assert Settings.load(access_token="unused").access_token.get_secret_value() == "unused"


@pytest.mark.parametrize("write", [repr, str, lambda s: repr(s.model_dump())])
def test_shows_no_secret(monkeypatch: pytest.MonkeyPatch, write: Any) -> None:
    text = write(loaded(monkeypatch, AMQP_URL=f"amqp://u:{PASSWORD}@h/"))
    assert TOKEN not in text
    assert PASSWORD not in text


def test_knows_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch, AMQP_URL=f"amqp://u:{PASSWORD}%2F@h/,amqp://u:other-pw@i/")
    assert set(settings.secrets) == {TOKEN, f"{PASSWORD}/", "other-pw"}


def test_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(Settings.load(), "http_port", 1)  # noqa: B010


@given(st.sampled_from(sorted(Settings.model_fields)), st.text("qxzjv0123456789:/@", min_size=6))
def test_no_fault_repeats_a_value(name: str, value: str) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv(PREFIX + name.upper(), value)
        said = ""
        try:
            Settings.load()
        except WrongSettings as error:
            said = str(error)
        assert value not in said


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("RESULT_EXCHANGE", "profile-sync.events", "EXCHANGE"),
        ("DEAD_LETTER_EXCHANGE", "profile-sync.events", "EXCHANGE"),
        ("RESULT_QUEUE", "profile-sync.events", "QUEUE"),
        ("DEAD_LETTER_QUEUE", "profile-sync.events", "QUEUE"),
    ],
)
def test_results_cannot_come_back_as_events(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, kind: str
) -> None:
    monkeypatch.setenv(f"PROFILE_SYNC_{name}", value)
    with pytest.raises(WrongSettings, match=f"PROFILE_SYNC_{name}: must not be EVENT_{kind}"):
        Settings.load()


def test_names_are_short_enough_for_amqp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILE_SYNC_EVENT_QUEUE", "é" * 128)
    with pytest.raises(WrongSettings, match="255 bytes"):
        Settings.load()


class TestNamesOfPartitions:
    def test_no_other_setting_may_have_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        partitions = loaded(monkeypatch, PARTITIONS="3")
        ours = topology(partitions)
        queues = {one.name for one in ours.queues if one.role in ("events", "members")}
        queues |= {*markers(partitions)}
        exchanges = {partitions_exchange(partitions)}
        assert (len(queues), len(exchanges)) == (6, 1)
        for kind, names in (("QUEUE", queues), ("EXCHANGE", exchanges)):
            for role, name in itertools.product(("RESULT", "DEAD_LETTER"), names):
                with monkeypatch.context() as patch:
                    (fault,) = faults(patch, **{f"{role}_{kind}": name})
                    assert f"{role}_{kind} must not be".casefold() in fault.casefold()
                    assert fault.startswith("PROFILE_SYNC_PARTITIONS: ")

    @pytest.mark.parametrize("name", ["EVENT_QUEUE", "EVENT_EXCHANGE"])
    def test_are_short_enough_for_amqp(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        loaded(monkeypatch, **{name: "x" * 255})
        longest = 247 if name == "EVENT_QUEUE" else 244
        (fault,) = faults(monkeypatch, PARTITIONS="256")
        assert f"may then have {longest} bytes" in fault
        loaded(monkeypatch, **{name: "x" * longest})


@pytest.mark.parametrize("options", ["?heartbeat=abc", "?ssl_options=foo", "#x"])
def test_the_broker_has_no_options_beside_the_settings(
    monkeypatch: pytest.MonkeyPatch, options: str
) -> None:
    monkeypatch.setenv("PROFILE_SYNC_AMQP_URL", f"amqp://guest:guest@host/%2F{options}")
    with pytest.raises(WrongSettings, match=r"without \?options"):
        Settings.load()


@pytest.mark.parametrize(
    "url",
    [
        "amqp://host/%2F?auth_mechanism=external",
        "amqps://user:password@host/%2F?auth_mechanism=external",
        "amqps://user@host/%2F?auth_mechanism=external",
        "amqps://host/%2F?auth_mechanism=plain",
        "amqps://host/%2F?auth_mechanism=external&heartbeat=5",
    ],
)
def test_only_a_certificate_is_a_login_without_a_password(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("PROFILE_SYNC_AMQP_URL", url)
    with pytest.raises(WrongSettings, match="which has no user and no password"):
        Settings.load()


def test_forgives_a_slash_too_many_and_another_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILE_SYNC_API_URL", "https://api.copernica.com/v3/")
    monkeypatch.setenv("PROFILE_SYNC_LOG_LEVEL", "WARNING")
    settings = Settings.load()
    assert (settings.api_url, settings.log_level) == ("https://api.copernica.com/v3", "warning")


class TestAProxy:
    def test_must_be_of_a_kind_that_can_be_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ALL_PROXY", "socks5://me:hidden@proxy:1080")
        assert faults(monkeypatch) == [
            "PROFILE_SYNC_API_URL: the proxy is one for socks5, and only http and https can be "
            "used, in ALL_PROXY"
        ]
        monkeypatch.setenv("NO_PROXY", "api.copernica.com")
        assert Settings.load()
        assert faults(monkeypatch, API_URL="https://api.copernica.com/v4") == [
            "PROFILE_SYNC_AUTH_URL: the proxy is one for socks5, and only http and https can be "
            "used, in ALL_PROXY"
        ]

    def test_must_not_see_the_token(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://proxy")
        assert loaded(monkeypatch)
        assert faults(monkeypatch, API_URL="http://127.0.0.1:8080/v2") == [
            "PROFILE_SYNC_API_URL: plain http would show the token to the proxy: name the host in "
            "NO_PROXY, or set PROFILE_SYNC_ALLOW_PLAIN_HTTP=true"
        ]
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert Settings.load()
        monkeypatch.delenv("NO_PROXY")
        assert loaded(monkeypatch, ALLOW_PLAIN_HTTP="true")

    def test_has_a_password_that_is_a_secret(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "http://me:p%40ssw0rd@proxy")
        assert "p@ssw0rd" in Settings.load().secrets


class TestTheFilesForTLS:
    def test_are_for_each_link(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        ca = AUTHORITY.write(tmp_path / "ca.pem")
        certificate, key = write_pair(AUTHORITY.issue(), tmp_path)
        files = {"AMQP_CA_FILE": ca, "AMQP_CERT_FILE": certificate, "AMQP_KEY_FILE": key}
        settings = loaded(monkeypatch, **ENCRYPTED, **files)
        assert settings.amqp_certificates == Certificates(ca, certificate, key)

    def test_may_be_none_or_set_to_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert loaded(monkeypatch).amqp_certificates == Certificates()
        nothing = {"AMQP_CA_FILE": "", "AMQP_CERT_FILE": "", "AMQP_KEY_FILE": ""}
        assert loaded(monkeypatch, **nothing).amqp_certificates == Certificates()

    def test_must_be_there(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        missing = {f"AMQP_{name}_FILE": str(tmp_path / name) for name in ("CA", "CERT", "KEY")}
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "bundle"))
        assert faults(monkeypatch, **ENCRYPTED, **missing) == [
            "SSL_CERT_FILE: there is no such file",
            "PROFILE_SYNC_AMQP_CA_FILE: there is no such file",
            "PROFILE_SYNC_AMQP_CERT_FILE: there is no such file",
            "PROFILE_SYNC_AMQP_KEY_FILE: there is no such file",
        ]

    def test_must_hold_what_they_are_for(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        certificate, key = write_pair(AUTHORITY.issue(), tmp_path)
        assert faults(monkeypatch, **ENCRYPTED, AMQP_CA_FILE=key, AMQP_CERT_FILE=key) == [
            "PROFILE_SYNC_AMQP_CA_FILE: there is no certificate in it (in PEM form)",
            "PROFILE_SYNC_AMQP_CERT_FILE: there is no certificate in it (in PEM form)",
        ]
        files = {"AMQP_CA_FILE": "", "AMQP_CERT_FILE": certificate, "AMQP_KEY_FILE": certificate}
        assert faults(monkeypatch, **files) == [
            "PROFILE_SYNC_AMQP_KEY_FILE: there is no key in it (in PEM form, not encrypted)"
        ]

    def test_are_needed_where_they_are_the_login(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        url = "amqps://rabbit-1,amqps://rabbit-2/%2F?auth_mechanism=External"
        assert faults(monkeypatch, AMQP_URL=url) == [
            "PROFILE_SYNC_AMQP_CERT_FILE: is required with ?auth_mechanism=external in AMQP_URL"
        ]
        certificate, key = write_pair(AUTHORITY.issue(), tmp_path)
        files = {"AMQP_CERT_FILE": certificate, "AMQP_KEY_FILE": key}
        assert loaded(monkeypatch, AMQP_URL=url, **files).amqp_certificates.key == key

    def test_are_paths_and_not_what_is_in_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pem = AUTHORITY.pem().decode()
        assert faults(monkeypatch, **ENCRYPTED, AMQP_CA_FILE=pem) == [
            "PROFILE_SYNC_AMQP_CA_FILE: must be the path of a file, not what is in it"
        ]

    def test_must_fit_together(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        certificate, key = write_pair(AUTHORITY.issue(), tmp_path)
        another = tmp_path / "another"
        another.mkdir()
        _, another_key = write_pair(AUTHORITY.issue(), another)
        variables = {**ENCRYPTED, "AMQP_CERT_FILE": certificate}
        assert faults(monkeypatch, **variables, AMQP_KEY_FILE=another_key) == [
            "PROFILE_SYNC_AMQP_KEY_FILE: it is not the key of this certificate"
        ]
        assert faults(monkeypatch, AMQP_KEY_FILE="") == [
            "PROFILE_SYNC_AMQP_KEY_FILE: is required with AMQP_CERT_FILE"
        ]
        assert faults(monkeypatch, AMQP_KEY_FILE=key, AMQP_CERT_FILE="") == [
            "PROFILE_SYNC_AMQP_KEY_FILE: has no use without AMQP_CERT_FILE"
        ]

    def test_ask_for_no_password(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        certificate, key = write_pair(AUTHORITY.issue(), tmp_path)
        encrypted = BestAvailableEncryption(b"password")
        private = load_pem_private_key(Path(key).read_bytes(), None)
        Path(key).write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encrypted))
        files = {"AMQP_CERT_FILE": certificate, "AMQP_KEY_FILE": key}
        assert faults(monkeypatch, **ENCRYPTED, **files) == [
            "PROFILE_SYNC_AMQP_KEY_FILE: there is no key in it (in PEM form, not encrypted)"
        ]

    def test_need_a_node_that_is_reached_by_tls(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        ca = AUTHORITY.write(tmp_path / "ca.pem")
        certificate, key = write_pair(AUTHORITY.issue(), tmp_path)
        files = {"AMQP_CA_FILE": ca, "AMQP_CERT_FILE": certificate, "AMQP_KEY_FILE": key}
        assert faults(monkeypatch, **files) == [
            f"PROFILE_SYNC_{name}: has no use: no URL in AMQP_URL begins with amqps://"
            for name in files
        ]
