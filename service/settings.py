"""What the environment may set: names, units, limits, and what is wrong with them."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_core.core_schema import ValidationInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from service import addresses, kinds, proxies, tls
from service.environment import (
    DEFAULT_SECRETS_DIR,
    PREFIX,
    fault_in_words,
    unknown_variables,
    useless_secrets,
)
from service.kinds import File, Name, Seconds

_LONGEST_TURN = 5.0  # seconds


class WrongSettings(Exception):
    """The settings cannot be used; `faults` has a sentence for each, without any value."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class Settings(BaseSettings):
    """Everything that can be set; made once, passed down, never changed.

    The order is that of README's table; a field's checks look only at fields above it, so that
    all faults are found in one go.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
    )

    access_token: Annotated[SecretStr, AfterValidator(kinds.token)] = Field(
        description="The API's access token. Better as a file: see SECRETS_DIR"
    )
    allow_plain_http: bool = Field(
        default=False,
        description="Allow http:// in API_URL and AUTH_URL beyond this machine, or through a proxy "
        "(leaks the token)",
    )
    api_url: Annotated[
        str, AfterValidator(addresses.web_address), AfterValidator(addresses.api_url)
    ] = Field(
        default="https://api.copernica.com/v2",
        description="The API with its version, /v2, /v3 or /v4; plain http only to this machine",
    )
    auth_url: Annotated[str, AfterValidator(addresses.web_address)] = Field(
        default="https://authenticate.copernica.com",
        description="With /v4 only: where the access token is exchanged for a JWT, kept until "
        "shortly before its end",
    )
    amqp_url: Annotated[SecretStr, AfterValidator(addresses.amqp_urls)] = Field(
        default=SecretStr("amqp://guest:guest@127.0.0.1:5672/%2F"),
        description="RabbitMQ; several nodes separated by commas are tried in turn. With "
        "`?auth_mechanism=external` on an amqps URL the client certificate is the login",
    )
    amqp_ca_file: File = Field(
        default=None,
        description="For amqps: PEM file of the CAs to trust, in place of the system's",
    )
    amqp_cert_file: File = Field(
        default=None,
        description="For amqps: PEM file of a client certificate, if RabbitMQ wants one",
    )
    amqp_key_file: File = Field(
        default=None, description="PEM file of its key, which must not be encrypted"
    )
    event_exchange: Name = Field(
        default="profile-sync.events", description="Topic exchange to publish events to"
    )
    event_queue: Name = Field(
        default="profile-sync.events",
        description="Quorum queue with a single active consumer, bound to it with `#`",
    )
    result_exchange: Name = Field(
        default="profile-sync.results", description="Topic exchange the results are published to"
    )
    result_queue: Annotated[str, AfterValidator(kinds.short)] = Field(
        default="profile-sync.results",
        description="Quorum queue bound to it with `#`; set to nothing, no queue is declared",
    )
    dead_letter_exchange: Name = Field(
        default="profile-sync.dead-letters", description="Topic exchange for dead letters"
    )
    dead_letter_queue: Name = Field(
        default="profile-sync.dead-letters", description="Quorum queue bound to it with `#`"
    )
    declare_topology: bool = Field(
        default=True, description="Declare the exchanges, queues and bindings at start"
    )
    delivery_limit: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=100,
        description="Deliveries of one event after which RabbitMQ dead-letters it by itself; "
        "it cannot be changed on an existing queue: no link is had then",
    )
    partitions: Annotated[int, Field(ge=1, le=256), AfterValidator(kinds.partitions)] = Field(
        default=1,
        description="Queues that the events are spread over by their routing keys, so that as many "
        "replicas can work at once; how to change it: see below",
    )
    databases: Annotated[str, AfterValidator(kinds.databases)] = Field(
        default="",
        description="Databases that events may write to, by id or name as events write them, "
        "separated by commas; unset: any",
    )
    max_in_flight: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=32, description="API calls in flight"
    )
    prefetch: Annotated[int, Field(ge=1, le=2000)] | None = Field(
        default=None,
        description="Events held at once, of all partitions together; unset: 16 x MAX_IN_FLIGHT, "
        "at most 2000",
    )
    connect_timeout: Seconds = Field(default=5, description="Seconds to reach the API")
    request_timeout: Seconds = Field(default=10, description="Seconds for a whole call")
    rate_limit: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, description="API calls a second, all calls counted; unset: no limit"
    )
    confirm_timeout: Seconds = Field(
        default=35,
        description="Seconds RabbitMQ may take to confirm a result; then the link counts as lost",
    )
    retry_attempts: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=8,
        description="Failed attempts after which an event ends as `failed`; only those count "
        "between which the first attempts of others succeeded, and no fewer of them than failed",
    )
    retry_base: Seconds = Field(
        default=0.5, description="Seconds of the first retry's longest wait; doubles each time"
    )
    retry_max: Seconds = Field(default=60, description="Seconds a retry waits at the most")
    heartbeat: Annotated[int, Field(ge=1, le=600)] = Field(
        default=10, description="Seconds between heartbeats; a dead link is noticed in about twice"
    )
    hold_timeout: Seconds = Field(
        default=60,
        description="Seconds an outage of the API is sat out before the events go back to the "
        "queue",
    )
    ambiguous_wait: Seconds = Field(
        default=20,
        description="Seconds before a create without an answer is looked up and tried again; "
        "at least HEARTBEAT + REQUEST_TIMEOUT",
    )
    drain_timeout: Seconds = Field(
        default=25,
        description="Seconds to finish after SIGTERM; over 2 x REQUEST_TIMEOUT, and below the "
        "pod's grace period",
    )
    unroutable_results: Annotated[Literal["pause", "drop"], BeforeValidator(kinds.lower)] = Field(
        default="pause",
        description="What becomes of a result that no queue is bound for: wait until one is, or "
        "drop it (counted)",
    )
    read_back: Annotated[Literal["auto", "never"], BeforeValidator(kinds.lower)] = Field(
        default="auto",
        description="Read the profiles with a GET when the answer has none (each call is billed)",
    )
    coalesce: Annotated[Literal["off", "in-flight"], BeforeValidator(kinds.lower)] = Field(
        default="off",
        description="in-flight: what waits for a profile when its turn comes goes with one call; "
        "what is given up for it: see below",
    )
    coalesce_max: Annotated[int, Field(ge=2, le=1000)] = Field(
        default=100, description="Events in one call, at most"
    )
    field_check: Annotated[Literal["strict", "names", "off"], BeforeValidator(kinds.lower)] = Field(
        default="strict",
        description="Check events against the database's list of fields: names and values, names "
        "and only the values that select, or nothing",
    )
    field_cache_seconds: Annotated[float, Field(ge=60, le=86400)] = Field(
        default=600, description="Seconds until that list is read again"
    )
    max_event_bytes: Annotated[int, Field(ge=1024, le=16 * 2**20)] = Field(
        default=262144, description="Larger events are rejected"
    )
    # A result must stay below the 16 MiB that RabbitMQ 4 allows a message.
    max_response_bytes: Annotated[int, Field(ge=1024, le=8 * 2**20)] = Field(
        default=1048576, description="Larger answers are cut off and count as without profiles"
    )
    result_include_secret: bool = Field(
        default=False, description="Publish the profiles' `secret` too"
    )
    timezone: Annotated[str, AfterValidator(kinds.zone)] = Field(
        default="Europe/Amsterdam",
        description="Time zone of the dates in the API's answers, to tell a new profile by",
    )
    http_host: Name = Field(default="0.0.0.0", description="Address of /livez /readyz /metrics")  # noqa: S104
    http_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        default=8000, description="Its port; 0 picks a free one"
    )
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], BeforeValidator(kinds.lower)
    ] = Field(default="info", description="debug adds lines for every event")
    log_format: Annotated[Literal["json", "text"], BeforeValidator(kinds.lower)] = Field(
        default="json", description="One line a fact, on standard output"
    )
    secrets_dir: str = Field(
        default=DEFAULT_SECRETS_DIR,
        description="Folder whose files set what the environment leaves unset, by lower-case "
        "name: `access_token`, `amqp_url`",
    )

    @field_validator("result_exchange", "dead_letter_exchange", "result_queue", "dead_letter_queue")
    @classmethod
    def _no_circle(cls, value: str, info: ValidationInfo) -> str:
        role, _, kind = str(info.field_name).rpartition("_")
        if value and value == info.data.get(f"event_{kind}"):
            raise ValueError(f"must not be EVENT_{kind.upper()}: results would come back as events")
        if value and role == "dead_letter" and value == info.data.get(f"result_{kind}"):
            raise ValueError(f"must not be RESULT_{kind.upper()}: dead letters are no results")
        return value

    @field_validator("api_url", "auth_url")
    @classmethod
    def _no_token_in_clear(cls, value: str, info: ValidationInfo) -> str:
        if addresses.readable_by_others(value) and not info.data.get("allow_plain_http"):
            raise ValueError(
                "plain http would show the token to the network: use https, "
                f"or set {PREFIX}ALLOW_PLAIN_HTTP=true"
            )
        return value

    @field_validator("api_url", "auth_url")
    @classmethod
    def _no_token_to_a_proxy(cls, value: str, info: ValidationInfo) -> str:
        if info.field_name == "auth_url" and not info.data.get("api_url", "").endswith("/v4"):
            return value
        seen = proxies.proxy_for(value) and value.startswith("http:")
        if seen and not info.data.get("allow_plain_http"):
            raise ValueError(
                "plain http would show the token to the proxy: name the host in NO_PROXY, "
                f"or set {PREFIX}ALLOW_PLAIN_HTTP=true"
            )
        return value

    @field_validator("amqp_ca_file", "amqp_cert_file", "amqp_key_file")
    @classmethod
    def _serves_tls(cls, value: str | None, info: ValidationInfo) -> str | None:
        urls = info.data.get("amqp_url")
        if value and urls and not addresses.any_encrypted(urls.get_secret_value()):
            raise ValueError("has no use: no URL in AMQP_URL begins with amqps://")
        if info.field_name == "amqp_cert_file" and not value and urls:
            addresses.need_no_certificate(urls.get_secret_value())
        if value and info.field_name != "amqp_key_file":
            tls.trusting(value)  # a client certificate can be read as a CA's is
        return value

    @field_validator("amqp_key_file")
    @classmethod
    def _fits_the_certificate(cls, value: str | None, info: ValidationInfo) -> str | None:
        if "amqp_cert_file" not in info.data:
            return value
        certificate = info.data["amqp_cert_file"]
        if certificate and value:
            tls.show(tls.trusting(None), certificate, value)
        elif certificate:
            raise ValueError("is required with AMQP_CERT_FILE")
        elif value:
            raise ValueError("has no use without AMQP_CERT_FILE")
        return value

    @field_validator("ambiguous_wait")
    @classmethod
    def _outlasts_a_call(cls, value: float, info: ValidationInfo) -> float:
        least = info.data.get("heartbeat", 0) + info.data.get("request_timeout", 0)
        if value < least:
            raise ValueError(f"must be at least HEARTBEAT + REQUEST_TIMEOUT, now {least:g}")
        return value

    @field_validator("drain_timeout")
    @classmethod
    def _outlasts_two_calls(cls, value: float, info: ValidationInfo) -> float:
        least = 2 * info.data.get("request_timeout", 0)
        if value <= least:
            raise ValueError(f"must be over 2 x REQUEST_TIMEOUT, now {least:g}")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_: object,
        **__: object,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment, then the files of SECRETS_DIR, then a command's own defaults."""
        folder = os.environ.get(f"{PREFIX}SECRETS_DIR") or DEFAULT_SECRETS_DIR
        sources: tuple[PydanticBaseSettingsSource, ...] = (EnvSettingsSource(settings_cls),)
        if os.path.isdir(folder):
            sources += (SecretsSettingsSource(settings_cls, folder, env_prefix=""),)
        return (*sources, init_settings)

    @classmethod
    def load(cls, **defaults: Any) -> Self:
        """Read the environment and the secret files; `defaults` is for what both leave unset.

        Raises:
            WrongSettings: with every fault at once, each naming its variable.
        """
        known = cls.model_fields
        faults = unknown_variables(os.environ, known) + useless_secrets(os.environ, known)
        faults += tls.faults(os.environ)
        try:
            settings = cls(**defaults)
        except ValidationError as error:
            faults += [fault_in_words(fault) for fault in error.errors(include_url=False)]
        except SettingsError as error:
            named = re.search(r'field "(\w+)"', str(error))
            name = named[1] if named else "secrets_dir"
            faults.append(f"{PREFIX}{name.upper()}: its file in SECRETS_DIR cannot be read as text")
        if faults:
            raise WrongSettings(faults)
        return settings

    @property
    def amqp_urls(self) -> list[str]:
        """The nodes to try in turn; they hold the password."""
        return addresses.split_amqp_urls(self.amqp_url.get_secret_value())

    @property
    def called(self) -> list[str]:
        """The addresses that calls go to."""
        return [self.api_url, self.auth_url] if self.api_url.endswith("/v4") else [self.api_url]

    @property
    def amqp_certificates(self) -> tls.Certificates:
        """The files for amqps, to be read for each link."""
        return tls.Certificates(self.amqp_ca_file, self.amqp_cert_file, self.amqp_key_file)

    @property
    def access_token_file(self) -> Path | None:
        """The file that the access token comes from, if it does."""
        if f"{PREFIX}ACCESS_TOKEN" in os.environ:
            return None
        file = Path(self.secrets_dir) / "access_token"
        return file if file.is_file() else None

    @property
    def allowed_databases(self) -> frozenset[str]:
        """The databases of DATABASES, in lower case; empty if any will do."""
        names = (name.strip().casefold() for name in self.databases.split(","))
        return frozenset(name for name in names if name)

    @property
    def window(self) -> int:
        """Events of one partition held at once."""
        of_all = self.prefetch or min(16 * self.max_in_flight, 2000)
        return max(1, of_all // self.partitions)

    def slots(self, share: float = 1) -> int:
        """Calls in flight; such a share of RATE_LIMIT must not let them wait for long."""
        if self.rate_limit is None:
            return self.max_in_flight
        return min(self.max_in_flight, max(1, int(self.rate_limit * share * _LONGEST_TURN)))

    @property
    def zone(self) -> ZoneInfo:
        """The wall time of the account's dates."""
        return ZoneInfo(self.timezone)

    @property
    def secrets(self) -> list[str]:
        """What must never be printed; a password like `guest` would only garble every line."""
        passwords = {unquote(urlsplit(url).password or "") for url in self.amqp_urls}
        passwords |= proxies.passwords(*self.called)
        return [self.access_token.get_secret_value(), *(p for p in passwords if len(p) > 5)]
