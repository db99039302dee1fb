#!/usr/bin/env bash
# Brings an environment to the images of a commit and waits until every copy runs them. ECS and the
# Auto Scaling group replace copies one after another and go back by themselves when the new ones
# are not healthy: then this fails, because what runs is not what was asked for.
set -euo pipefail

tag=${1:?Usage: roll-out.sh COMMIT}
name=funmagic-${ENVIRONMENT:?}
folder=terraform/environments/$ENVIRONMENT
refresh_polls_max=120
poll_seconds=15

# With -var, because what stands in terraform.tfvars goes before the environment's TF_VAR_images.
images="{\"registry\":\"${ECR_REGISTRY:?}\",\"tag\":\"$tag\"}"
terraform -chdir="$folder" init -input=false -lockfile=readonly -backend-config=backend.hcl > /dev/null
terraform -chdir="$folder" plan -input=false -lock-timeout=10m -var "images=$images" \
  -out=release.tfplan
terraform -chdir="$folder" apply -input=false -lock-timeout=10m release.tfplan

# The beta stack.
for service in $(aws ecs list-services --cluster "$name" --query 'serviceArns[]' --output text); do
  [ "$service" = None ] && continue
  # Asks 40 times, every 15 s.
  aws ecs wait services-stable --cluster "$name" --services "$service"
  definition=$(aws ecs describe-services --cluster "$name" --services "$service" \
    --query 'services[0].taskDefinition' --output text)
  image=$(aws ecs describe-task-definition --task-definition "$definition" \
    --query 'taskDefinition.containerDefinitions[0].image' --output text)
  if [ "${image##*:}" != "$tag" ]; then
    echo "::error::$service went back to $image: its new copies did not become healthy."
    exit 1
  fi
  echo "$service runs $tag."
done

# The stable stack: machines are replaced.
for ((poll = 0; poll < refresh_polls_max; poll++)); do
  status=$(aws autoscaling describe-instance-refreshes --auto-scaling-group-name "$name-stable" \
    --max-records 1 --query 'InstanceRefreshes[0].Status' --output text)
  case $status in
    Successful | None)
      echo "The machines of $name-stable run $tag."
      exit 0
      ;;
    Failed | Cancelled | RollbackFailed | RollbackSuccessful)
      echo "::error::The machines were not replaced: $status."
      exit 1
      ;;
  esac
  sleep "$poll_seconds"
done
echo "::error::The machines were not replaced in $((refresh_polls_max * poll_seconds / 60)) minutes."
exit 1
