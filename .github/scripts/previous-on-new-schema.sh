#!/usr/bin/env bash
# The release before on the schema of this one: while a rollout lasts, and after going back, its code
# runs on the newer schema (O6, docs/migrations.md). Runs the tests of an earlier commit's libraries
# and services, with the migrations of the commit that is checked out here.
#   previous-on-new-schema.sh COMMIT
set -euo pipefail

commit=${1:?Usage: previous-on-new-schema.sh COMMIT}
root=$(git rev-parse --show-toplevel)
folder=$(mktemp -d)
trap 'git -C "$root" worktree remove --force "$folder/release" 2> /dev/null || true; rm -rf "$folder"' EXIT

git -C "$root" worktree add --quiet --detach "$folder/release" "$commit"
migrations=libs/database/prisma/migrations
if diff -rq "$root/$migrations" "$folder/release/$migrations" > /dev/null; then
  echo 'The schema has not changed since then.'
  exit 0
fi
rm -rf "${folder:?}/release/$migrations"
cp -r "$root/$migrations" "$folder/release/$migrations"

cd "$folder/release"
# Those that hold the migrations against the schema of the same commit have nothing to say here.
mapfile -t tests < <(find libs services -path '*/node_modules' -prune -o -name '*.test.ts' -print |
  grep -v '^libs/database/test/migrate' | sort)
npm test -- "${tests[@]}"
