#!/usr/bin/env bash
# Opens an issue with the plan, or adds it to the one that is open.
set -euo pipefail

report=${1:?Usage: report-drift.sh FILE}
title='Drift: an environment is not what its files say'
number=$(gh issue list --state open --search "in:title \"$title\"" --json number --jq '.[0].number')
if [ -n "$number" ]; then
  gh issue comment "$number" --body-file "$report"
else
  gh issue create --title "$title" --body-file "$report"
fi
