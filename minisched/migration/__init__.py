"""Tasks from crontabs, and tasks for systemd, Kubernetes, Airflow and cron. Pure: texts in, texts out."""
