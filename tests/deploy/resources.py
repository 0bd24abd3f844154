"""Custom resources against the types of their operators, which are made of the real schemas."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pydantic import BaseModel, ValidationError

# Where the type of each kind is. They are imported when they are needed: that takes seconds.
CUSTOM = {
    "PodMonitor": "prometheus_operator.v1",
    "PrometheusRule": "prometheus_operator.v1",
    "ScaledObject": "keda.v1alpha1",
    "TriggerAuthentication": "keda.v1alpha1",
}


class NotAsDocumented(Exception):
    """A custom resource is not one of its kind."""


def round_trip(manifest: Mapping[str, Any]) -> None:
    """Read a manifest as its kind, write it again, and hold both against each other.

    Raises:
        NotAsDocumented: a type is wrong, or something got lost: a key that its kind does not know.
    """
    kind = manifest["kind"]
    model: type[BaseModel] = getattr(import_module(f"cloudcoil.models.{CUSTOM[kind]}"), kind)
    try:
        read = model.model_validate(manifest)
    except ValidationError as error:
        raise NotAsDocumented(str(error)) from None
    written = read.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if written != manifest:
        raise NotAsDocumented(f"read as {written}")
