#!/usr/bin/env bash
# `remember` writes down the alarms that ring before a deployment; `watch` fails as soon as another
# one rings in the ten minutes after it.
set -euo pipefail

name=funmagic-${ENVIRONMENT:?}
before=${RUNNER_TEMP:-/tmp}/alarms-$ENVIRONMENT
polls_max=40
poll_seconds=15

ringing() {
  aws cloudwatch describe-alarms --alarm-name-prefix "$name-" --state-value ALARM \
    --alarm-types MetricAlarm CompositeAlarm \
    --query '[MetricAlarms[].AlarmName, CompositeAlarms[].AlarmName][]' --output json |
    jq -r '.[]' | sort
}

case ${1:-} in
  remember)
    ringing > "$before"
    ;;
  watch)
    for ((poll = 0; poll < polls_max; poll++)); do
      # On its own line, so that an answer that fails to come fails the watch.
      now=$(ringing)
      new=$(comm -13 "$before" <(printf '%s\n' "$now"))
      if [ -n "$new" ]; then
        echo "::error::Since the deployment these alarms ring: $(paste -sd ' ' <<< "$new")"
        exit 1
      fi
      sleep "$poll_seconds"
    done
    echo "No new alarm in $((polls_max * poll_seconds / 60)) minutes."
    ;;
  *)
    echo 'Usage: watch-alarms.sh remember|watch' >&2
    exit 2
    ;;
esac
