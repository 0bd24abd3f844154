"""`python -m deploy.kubernetes`: write the PrometheusRule of the component monitoring."""

from deploy.kubernetes.rules import FILE, text

if __name__ == "__main__":
    FILE.write_text(text())
