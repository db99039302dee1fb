#!/usr/bin/env bash
# Writes the merged OpenAPI document and its reference page into a folder, as a running platform
# serves them; with a second word, puts them into that bucket, from where the edge serves them.
#   api-reference.sh FOLDER [BUCKET]
set -euo pipefail

folder=${1:?Usage: api-reference.sh FOLDER [BUCKET]}
bucket=${2:-}
seconds_to_start=300
log=$(mktemp)

npm start > "$log" 2>&1 &
platform=$!
trap 'kill "$platform" 2> /dev/null || true; wait "$platform" 2> /dev/null || true; rm -f "$log"' EXIT
rm -f .local/stack.json
deadline=$((SECONDS + seconds_to_start))
until edge=$(jq -er .edge .local/stack.json 2> /dev/null) && curl -fsS -o /dev/null "$edge/health"; do
  if ((SECONDS > deadline)) || ! kill -0 "$platform" 2> /dev/null; then
    cat "$log" >&2
    exit 1
  fi
  sleep 1
done

mkdir -p "$folder/docs/js"
curl -fsS "$edge/api/openapi.json" -o "$folder/openapi.json"
jq -e '.paths | length > 0' "$folder/openapi.json" > /dev/null
curl -fsS "$edge/api/docs/js/scalar.js" -o "$folder/docs/js/scalar.js"
# The page asks for its script beside itself; without a slash at its end that is another folder.
curl -fsSL "$edge/api/docs" | sed 's#src="js/#src="/api/docs/js/#' > "$folder/docs/page.html"
grep -q 'src="/api/docs/js/scalar.js"' "$folder/docs/page.html"

if [ -n "$bucket" ]; then
  put() {
    aws s3 cp "$1" "s3://$bucket/public/ops/api/$2" --content-type "$3" --cache-control 'max-age=300'
  }
  put "$folder/openapi.json" openapi.json 'application/json'
  put "$folder/docs/page.html" docs 'text/html; charset=utf-8'
  put "$folder/docs/js/scalar.js" docs/js/scalar.js 'text/javascript; charset=utf-8'
fi
