#!/usr/bin/env bash
# Puts the pages of a commit where the edge serves them from: the very files of the image that was
# built, scanned and pushed under its name. Parts go first and the page that names them last; older
# parts stay, for pages that are open.
#   web-site.sh COMMIT BUCKET
set -euo pipefail

tag=${1:?Usage: web-site.sh COMMIT BUCKET}
bucket=${2:?Usage: web-site.sh COMMIT BUCKET}
registry=${ECR_REGISTRY:?}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

aws ecr get-login-password |
  docker login --username AWS --password-stdin "${registry%%/*}" > /dev/null
container=$(docker create "$registry/web:$tag")
docker cp "$container:/usr/share/nginx/site" "$folder/site" > /dev/null
docker rm "$container" > /dev/null

aws s3 cp "$folder/site/assets" "s3://$bucket/site/assets" --recursive \
  --cache-control 'public, max-age=31536000, immutable'
aws s3 cp "$folder/site" "s3://$bucket/site" --recursive \
  --exclude 'assets/*' --exclude index.html --cache-control no-cache
aws s3 cp "$folder/site/index.html" "s3://$bucket/site/index.html" --cache-control no-cache \
  --content-type 'text/html; charset=utf-8'
