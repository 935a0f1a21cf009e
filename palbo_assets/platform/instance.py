"""The Dagster instance that `palbo` sets up; the repository's ``dagster.yaml`` says the same (a test compares them)."""

INSTANCE_YAML = """\
# The Dagster instance. `palbo up` copies this file to $PALBO_HOME/dagster; with PostgreSQL add a `storage` section.
telemetry:
  enabled: false

nux: # no sign-up dialogue over the data
  enabled: false

run_monitoring: # a worker that dies with its host is only noticed by its age
  enabled: true
  poll_interval_seconds: 15
  start_timeout_seconds: 180
  cancel_timeout_seconds: 60
  max_runtime_seconds: 21600
  free_slots_after_run_end_seconds: 300

run_retries: # crashes only: bad data must not loop
  enabled: true
  max_retries: 2
  retry_on_asset_or_op_failure: false

concurrency:
  runs:
    max_concurrent_runs: 2
    tag_concurrency_limits:
      - key: dagster/partition # one writer a partition
        value:
          applyLimitPerUniqueValue: true
        limit: 1
  pools:
    default_limit: 1

retention:
  sensor:
    purge_after_days:
      skipped: 7
      failure: 30
      success: 90
  schedule:
    purge_after_days: 90
"""
