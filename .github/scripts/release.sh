#!/usr/bin/env bash
# Which commit an environment runs, in the parameter /funmagic-<environment>/release, whose history
# of 100 versions is the list of releases that one can go back to.
#   read            the commit, or nothing before the first deployment
#   record COMMIT   after a deployment that went well
#   require COMMIT  fails unless that commit has been recorded here
set -euo pipefail

parameter=/funmagic-${ENVIRONMENT:?}/release

case ${1:-} in
  read)
    aws ssm get-parameters --names "$parameter" --query 'Parameters[].Value' --output text
    ;;
  record)
    aws ssm put-parameter --name "$parameter" --type String --overwrite \
      --value "${2:?Usage: release.sh record COMMIT}" > /dev/null
    ;;
  require)
    releases=$(aws ssm get-parameter-history --name "$parameter" \
      --query 'Parameters[].Value' --output json)
    if ! jq -e --arg tag "${2:?Usage: release.sh require COMMIT}" 'index($tag)' \
      <<< "$releases" > /dev/null; then
      echo "::error::$2 was never a release of $ENVIRONMENT. Releases, the newest last:"
      jq -r '.[]' <<< "$releases"
      exit 1
    fi
    ;;
  *)
    echo 'Usage: release.sh read | record COMMIT | require COMMIT' >&2
    exit 2
    ;;
esac
