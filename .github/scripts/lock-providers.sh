#!/usr/bin/env bash
# Locks the Terraform providers of every root, with the registry's checksums for the runners and for
# laptops, and fails when that changes a file: commit what it has written. Deployments go by these
# files alone (init -lockfile=readonly), so that nobody gets another provider than was looked at.
set -euo pipefail

cd "$(git rev-parse --show-toplevel)"
for root in terraform/account terraform/environments/*; do
  terraform -chdir="$root" providers lock \
    -platform=linux_amd64 -platform=linux_arm64 -platform=darwin_arm64
done

changed=$(git status --porcelain --untracked-files=all -- 'terraform/**/.terraform.lock.hcl')
if [ -n "$changed" ]; then
  echo "::error::Commit these lock files:"
  echo "$changed"
  exit 1
fi
