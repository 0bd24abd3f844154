"""The dashboard for Grafana: `python -m deploy.grafana` writes it anew."""
