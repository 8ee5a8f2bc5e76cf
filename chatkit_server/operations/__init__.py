"""What an operator loads into other programs: a dashboard for Grafana, alerts for Prometheus."""
