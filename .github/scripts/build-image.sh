#!/usr/bin/env bash
# Builds the image of a service, of the one-off tasks (`migrate`) or of the web client (`web`), under
# the name of the commit. With --push it goes to the registry together with its SBOM and its
# provenance; a commit that is there already stays as it is.
set -euo pipefail

image=$1
mode=${2:---load}
tag=${GITHUB_SHA:?}

arguments=(--build-arg "REVISION=$tag")
case $image in
  web) arguments+=(--file docker/web.Dockerfile) ;;
  migrate) arguments+=(--file docker/service.Dockerfile --target operations) ;;
  *) arguments+=(--file docker/service.Dockerfile --target service --build-arg "SERVICE=$image") ;;
esac

case $mode in
  --load)
    docker buildx build "${arguments[@]}" --load --tag "funmagic/$image:$tag" .
    ;;
  --push)
    name="${ECR_REGISTRY:?}/$image:$tag"
    if docker buildx imagetools inspect "$name" > /dev/null 2>&1; then
      echo "$name is in the registry."
      exit 0
    fi
    docker buildx build "${arguments[@]}" --push --sbom=true --provenance=mode=max --tag "$name" .
    ;;
  *)
    echo "Usage: build-image.sh NAME [--load|--push]" >&2
    exit 2
    ;;
esac
