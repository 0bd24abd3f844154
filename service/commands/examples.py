"""One message of each kind, as README and the contract show them."""

from collections.abc import Mapping
from typing import Any

EVENTS: tuple[Mapping[str, Any], ...] = (
    {
        "id": "evt-0001",
        "occurred_at": "2026-11-23T10:00:00Z",
        "database": 1234,
        "where": {"customerid": "4567"},
        "create": True,
        "fields": {"customerid": "4567", "firstname": "John", "email": "johndoe@example.com"},
        "interests": {"football": True, "baseball": False},
    },
    {
        "id": "evt-0002",
        "database": "Customers",
        "where": ["age>=18", "country==nl"],
        "expect": "many",
        "interests": ["football"],
    },
)

CLOUD_EVENT: Mapping[str, Any] = {
    "specversion": "1.0",
    "id": "evt-0003",
    "source": "/shop/accounts",
    "type": "com.example.profile.changed",
    "time": "2026-11-23T10:00:00Z",
    "data": {"database": 1234, "where": {"customerid": "4567"}, "fields": {"firstname": "John"}},
}

RESULTS: tuple[Mapping[str, Any], ...] = (
    {
        "event_id": "evt-0001",
        "outcome": "created",
        "database": "1234",
        "profiles": [
            {
                "ID": "18381",
                "fields": {
                    "customerid": "4567",
                    "firstname": "John",
                    "email": "johndoe@example.com",
                },
                "interests": ["football"],
                "database": "1234",
                "created": "2026-11-23 11:00:00",
                "modified": "2026-11-23 11:00:00",
                "removed": False,
            }
        ],
        "matched": 1,
        "source": "put",
        "coalesced": 1,
        "attempts": 1,
        "status": 200,
        "reason": None,
        "detail": None,
        "received_at": "2026-11-23T10:00:00.731+00:00",
        "finished_at": "2026-11-23T10:00:00.775+00:00",
    },
    {
        "event_id": "evt-0004",
        "outcome": "rejected",
        "database": "1234",
        "profiles": [],
        "matched": None,
        "source": "none",
        "coalesced": 1,
        "attempts": 0,
        "status": None,
        "reason": "unknown-field",
        "detail": "fields.fristname: there is no such field; did you mean firstname?",
        "received_at": "2026-11-23T10:00:01.200+00:00",
        "finished_at": "2026-11-23T10:00:01.204+00:00",
    },
)

DEAD_LETTER: Mapping[str, Any] = {
    "profile-sync-reason": "unknown-field",
    "profile-sync-detail": "fields.fristname: there is no such field; did you mean firstname?",
    "profile-sync-attempts": 0,
    "profile-sync-failed-at": "2026-11-23T10:00:01.204+00:00",
    "profile-sync-exchange": "profile-sync.events",
    "profile-sync-routing-key": "profile.update",
}

BROKER_DEAD_LETTER: Mapping[str, Any] = {
    "x-death": [
        {
            "reason": "delivery_limit",
            "queue": "profile-sync.events",
            "exchange": "profile-sync.events",
            "routing-keys": ["profile.update"],
            "count": 1,
        }
    ]
}
