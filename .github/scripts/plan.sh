#!/usr/bin/env bash
# Plans every environment with the release that runs there, writes the plans into a file of Markdown,
# and says `changed=true` to the next steps when one of them differs. Changes nothing.
set -euo pipefail

report=${1:?Usage: plan.sh FILE}
# A comment on GitHub has 65,536 characters at most.
characters_max=18000
output=$(mktemp)
changed=false
here=$(dirname "${BASH_SOURCE[0]}")

echo '## Terraform plan' > "$report"
for ENVIRONMENT in dev staging production; do
  export ENVIRONMENT
  folder=terraform/environments/$ENVIRONMENT
  tag=$("$here/release.sh" read)
  tag=${tag:-${GITHUB_SHA:?}}
  images="{\"registry\":\"${ECR_REGISTRY:?}\",\"tag\":\"$tag\"}"
  terraform -chdir="$folder" init -input=false -lockfile=readonly -no-color -backend-config=backend.hcl > /dev/null

  code=0
  terraform -chdir="$folder" plan -input=false -lock=false -no-color -detailed-exitcode \
    -var "images=$images" > "$output" 2>&1 || code=$?
  case $code in
    0) summary='no changes' ;;
    2) summary=$(grep -m 1 '^Plan:' "$output" || echo 'changes') changed=true ;;
    *) summary='the plan failed' changed=true failed=true ;;
  esac

  {
    printf '\n<details><summary><b>%s</b>: %s</summary>\n\n```\n' "$ENVIRONMENT" "$summary"
    head -c "$characters_max" "$output"
    printf '\n```\n\n</details>\n'
  } >> "$report"
done

cat "$report" >> "${GITHUB_STEP_SUMMARY:-/dev/null}"
echo "changed=$changed" >> "${GITHUB_OUTPUT:-/dev/null}"
[ "${failed:-false}" = false ]
