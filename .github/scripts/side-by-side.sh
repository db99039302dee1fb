#!/usr/bin/env bash
# N and N−1 behind one balancer: the services of an earlier commit as the stable group, those of the
# commit that is checked out here as beta, on one database, one Redis and the same files. Tasks,
# sessions and streams of the one must be the other's as well (scripts/test/platform/side-by-side.test.ts).
#   side-by-side.sh COMMIT
set -euo pipefail

commit=${1:?Usage: side-by-side.sh COMMIT}
root=$(git rev-parse --show-toplevel)
folder=$(mktemp -d)
trap 'git -C "$root" worktree remove --force "$folder/release" 2> /dev/null || true; rm -rf "$folder"' EXIT

git -C "$root" worktree add --quiet --detach "$folder/release" "$commit"
# Its packages and its Prisma client.
(cd "$folder/release" && node scripts/bootstrap.mjs generate)
cd "$root"
PREVIOUS_RELEASE=$folder/release timeout 900 npm test -- scripts/test/platform/side-by-side.test.ts
