"""The kinds of panels, each in one look: tiles, graphs, and a band for each state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    timeseries,
)
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models

from deploy.grafana.queries import Query

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
GOOD, WARNING, BAD = "green", "orange", "red"

_COLOURS = {
    "updated": "green",
    "created": "blue",
    "unmatched": "yellow",
    "accepted": "purple",
    "rejected": "orange",
    "failed": "red",
}

Built = stat.Panel | timeseries.Panel | statetimeline.Panel


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One value as it is now, on the colour of the limit that it has reached.

    `limits` has the colours from a value on, from 0 first; `words` stand for values. With `named`
    the names of the series are shown in place of values.
    """

    title: str
    text: str
    query: Query
    limits: Mapping[int, str]
    words: Mapping[int, str] | None = None
    named: bool = False
    unit: str = "none"  # all digits: "short" would make 1 K of 1,400
    width: int
    height: int = 4


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Lines from 0 up, or bars; stacked ones are filled.

    `right` names a series with an axis and a unit of its own; `limit` is a value that should not
    be reached. Bars count what seldom happens, each for five minutes or longer.
    """

    title: str
    text: str
    queries: Sequence[Query]
    unit: str = "short"
    bars: bool = False
    stacked: bool = False
    right: tuple[str, str] | None = None
    limit: float | None = None
    long_legend: bool = False
    width: int = 8
    height: int = 8


@dataclass(frozen=True, kw_only=True)
class Bands:
    """A band for each series, in the word and the colour of its state: `{1: (word, colour)}`."""

    title: str
    text: str
    query: Query
    states: Mapping[int, tuple[str, str]]
    width: int
    height: int


Panel = Tile | Graph | Bands


def build(panel: Panel) -> Built:
    """Make the panel that Grafana draws."""
    built: Built
    match panel:
        case Tile():
            built = _tile(panel)
        case Graph():
            built = _graph(panel)
        case Bands():
            built = _bands(panel)
    described = built.title(panel.title).description(panel.text).datasource(SOURCE)
    return described.span(panel.width).height(panel.height)


def _tile(tile: Tile) -> stat.Panel:
    text = options.BigValueTextMode.NAME if tile.named else options.BigValueTextMode.VALUE
    panel = (
        stat.Panel()
        .unit(tile.unit)
        .decimals(0)
        .thresholds(_limits(tile.limits))
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .color_mode(options.BigValueColorMode.BACKGROUND)
        .graph_mode(options.BigValueGraphMode.NONE)
        .text_mode(text)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .no_value("no data")
        # An instant: over a range, the last value would be shown long after the last replica died.
        .with_target(_target("A", tile.query).instant())
    )
    if tile.words:
        panel.mappings([_mapping({value: (word, None) for value, word in tile.words.items()})])
    return panel


def _graph(graph: Graph) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .unit(graph.unit)
        .min(0)
        .line_width(1)
        .fill_opacity(40 if graph.stacked else 10)
        .show_points(options.VisibilityMode.NEVER)
        .legend(_legend(long=graph.long_legend))
        .tooltip(
            common.VizTooltipOptions()
            .mode(options.TooltipDisplayMode.MULTI)
            .sort(options.SortOrder.DESCENDING)
        )
        .targets([_target(letter, query).range() for letter, query in _lettered(graph.queries)])
    )
    if graph.bars:
        panel.draw_style(options.GraphDrawStyle.BARS).fill_opacity(80).decimals(0).interval("5m")
    if graph.bars or graph.stacked:
        panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL))
    if graph.limit is not None:
        panel.thresholds(_limits({0: GOOD, graph.limit: BAD})).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(options.GraphThresholdsStyleMode.DASHED)
        )
    if graph.right:
        panel.override_by_name(graph.right[0], _axis_of_its_own(graph.right[1]))
    if any(query.legend == "{{outcome}}" for query in graph.queries):
        for outcome, colour in _COLOURS.items():
            fixed = {"mode": "fixed", "fixedColor": colour}
            panel.override_by_name(outcome, [models.DynamicConfigValue("color", fixed)])
    return panel


def _bands(bands: Bands) -> statetimeline.Panel:
    return (
        statetimeline.Panel()
        .unit("short")
        .mappings([_mapping(bands.states)])
        .thresholds(_limits({0: GOOD, 1: BAD}))
        .show_value(options.VisibilityMode.AUTO)
        .row_height(0.9)
        .line_width(0)
        .fill_opacity(80)
        .legend(common.VizLegendOptions().show_legend(False))
        .with_target(_target("A", bands.query).range())
    )


def _legend(*, long: bool) -> common.VizLegendOptions:
    legend = common.VizLegendOptions().show_legend(True).calcs(["lastNotNull"])
    if long:
        legend.display_mode(options.LegendDisplayMode.TABLE)
        return legend.placement(options.LegendPlacement.RIGHT)
    legend.display_mode(options.LegendDisplayMode.LIST)
    return legend.placement(options.LegendPlacement.BOTTOM)


def _axis_of_its_own(unit: str) -> list[models.DynamicConfigValue]:
    return [
        models.DynamicConfigValue("unit", unit),
        models.DynamicConfigValue("custom.axisPlacement", "right"),
        models.DynamicConfigValue("custom.fillOpacity", 0),
    ]


def _lettered(queries: Sequence[Query]) -> list[tuple[str, Query]]:
    return [(chr(ord("A") + place), query) for place, query in enumerate(queries)]


def _target(letter: str, query: Query) -> prometheus.Dataquery:
    target = prometheus.Dataquery().ref_id(letter).datasource(SOURCE)
    return target.expr(query.expr).legend_format(query.legend)


def _limits(limits: Mapping[int, str] | Mapping[float, str]) -> dashboard.ThresholdsConfig:
    steps = [models.Threshold(value or None, colour) for value, colour in limits.items()]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _mapping(states: Mapping[int, tuple[str, str | None]]) -> models.ValueMap:
    return models.ValueMap(
        {
            str(value): models.ValueMappingResult(text=word, color=colour, index=place)
            for place, (value, (word, colour)) in enumerate(states.items())
        }
    )
