"""The dashboard of deploy/grafana: that it is what its script makes, and keeps its conventions."""

import itertools
import json
import re
from typing import Any

import pytest

from deploy.grafana.dashboard import FILE, text
from service.metrics import Metrics
from service.settings import Settings

DASHBOARD = json.loads(FILE.read_text())
ROWS = [panel for panel in DASHBOARD["panels"] if panel["type"] == "row"]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
VARIABLES = {one["name"]: one for one in DASHBOARD["templating"]["list"]}

every_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])


def expressions() -> list[str]:
    return [target["expr"] for panel in PANELS for target in panel["targets"]]


def test_the_file_is_what_the_script_writes() -> None:
    assert FILE.read_text() == text(), "run python -m deploy.grafana"


def test_the_first_row_fits_a_screen() -> None:
    first, second = ROWS[:2]
    assert first["gridPos"]["y"] == 0
    assert second["gridPos"]["y"] <= 12


def test_every_row_is_full_and_no_panel_lies_on_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = set(
            itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"]))
        )
        assert not cells & taken, panel["title"]
        taken |= cells
    height = max(y for _, y in taken) + 1
    assert taken == set(itertools.product(range(24), range(height)))


@every_panel
def test_a_panel_says_what_is_seen_in_which_unit_and_asks_for_it(panel: dict[str, Any]) -> None:
    assert re.match(r"[A-Z]", panel["title"])
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]
    for target in panel["targets"]:
        assert target["expr"]
        assert target["legendFormat"]
        assert bool(target.get("instant")) == (panel["type"] == "stat"), "tiles tell of now"
    letters = [target["refId"] for target in panel["targets"]]
    assert len(set(letters)) == len(letters)


@every_panel
def test_a_tile_has_limits_and_a_graph_a_legend_beside_or_below(panel: dict[str, Any]) -> None:
    if panel["type"] == "stat":
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        values = [step["value"] for step in steps]
        assert values[0] is None
        assert values[1:] == sorted(values[1:])
    if panel["type"] == "timeseries":
        legend = panel["options"]["legend"]
        assert legend["showLegend"]
        assert (legend["displayMode"], legend["placement"]) in {
            ("list", "bottom"),
            ("table", "right"),
        }


def test_panels_have_ids_and_titles_of_their_own() -> None:
    for name in ("id", "title"):
        values = [panel[name] for panel in DASHBOARD["panels"]]
        assert len(set(values)) == len(values)


def test_no_data_source_is_named() -> None:
    named = re.findall(r'"uid": "([^"]*)"', FILE.read_text())
    assert set(named) == {"${datasource}", DASHBOARD["uid"]}
    assert VARIABLES["datasource"]["type"] == "datasource"
    assert VARIABLES["datasource"]["query"] == "prometheus"


def test_the_dashboard_keeps_itself_up_to_date() -> None:
    assert DASHBOARD["refresh"] == "30s"
    assert DASHBOARD["schemaVersion"] == 41
    assert DASHBOARD["time"] == {"from": "now-3h", "to": "now"}


def test_variables_are_all_used_and_all_that_is_used_is_a_variable() -> None:
    asked = [one["query"]["query"] for one in VARIABLES.values() if one["type"] == "query"]
    used = set(re.findall(r"\$(?!__)\{?(\w+)", "\n".join([*expressions(), *asked])))
    assert used | {"datasource"} == VARIABLES.keys()


def test_queues_are_named_as_the_settings_name_them() -> None:
    for name in ("event_queue", "result_queue", "dead_letter_queue"):
        default = Settings.model_fields[name].default
        assert VARIABLES[name]["query"] == VARIABLES[name]["current"]["value"] == default


def test_every_metric_is_seen_and_there_are_no_others() -> None:
    seen = set(re.findall(r"\bprofile_sync_(\w+)", "\n".join(expressions())))
    ours = {
        family.name.removeprefix("profile_sync_")
        for family in Metrics().registry.collect()
        if family.name.startswith("profile_sync_")
    }
    assert {re.sub("_(total|bucket|sum)$", "", name) for name in seen} == ours


def test_only_the_chosen_replicas_are_asked() -> None:
    for expr in expressions():
        series = re.findall(r"(?:profile_sync|process)_\w+(\{.*?\})?", expr)
        for chosen in series:
            assert 'job="$job",instance=~"$instance"' in chosen, expr
