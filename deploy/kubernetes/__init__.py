"""The manifests for Kubernetes: `python -m deploy.kubernetes` writes the generated one anew."""
