"""`python -m deploy.grafana`: write profile-sync.json, which Grafana imports."""

from deploy.grafana.dashboard import FILE, text

if __name__ == "__main__":
    FILE.write_text(text())
