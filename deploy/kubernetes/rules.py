"""The alerts of deploy/prometheus as the Prometheus operator takes them."""

import textwrap
from pathlib import Path

FILE = Path(__file__).parent / "components" / "monitoring" / "prometheusrule.yaml"

_RULES = Path(__file__).parent.parent / "prometheus" / "rules.yaml"
_HEAD = """\
# Made of deploy/prometheus/rules.yaml by `python -m deploy.kubernetes`: change it there.
# Where runbooks.md is to be read stands in `spec.externalLabels.runbooks` of your Prometheus.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: profile-sync
spec:
"""


def text() -> str:
    """Write the rules as a PrometheusRule, comments and all."""
    rules = _RULES.read_text()
    return _HEAD + textwrap.indent(rules[rules.index("groups:") :], "  ")
