#!/usr/bin/env bash
# Applies the migrations of a release as a one-off task in the environment's own network, before
# anything of that release runs. Fails when the task fails, and then nothing has been rolled out.
set -euo pipefail

folder=terraform/environments/${ENVIRONMENT:?}
terraform -chdir="$folder" init -input=false -lockfile=readonly -backend-config=backend.hcl > /dev/null
task=$(terraform -chdir="$folder" output -json migration_task)
cluster=$(jq -r .cluster <<< "$task")
family=$(jq -r .task_definition <<< "$task")

# The definition that Terraform made, with the image of this release.
definition=$(aws ecs describe-task-definition --task-definition "$family" \
  --query taskDefinition --output json)
revision=$(jq --arg image "${ECR_REGISTRY:?}/migrate:${IMAGE_TAG:?}" '
  .containerDefinitions[0].image = $image
  | {family, taskRoleArn, executionRoleArn, networkMode, containerDefinitions,
     requiresCompatibilities, cpu, memory, runtimePlatform}
  | with_entries(select(.value != null))' <<< "$definition")
arn=$(aws ecs register-task-definition --cli-input-json "$revision" \
  --query taskDefinition.taskDefinitionArn --output text)

network=$(jq -c '{awsvpcConfiguration: {
  subnets, securityGroups: .security_groups, assignPublicIp: "DISABLED"}}' <<< "$task")
started=$(aws ecs run-task --cluster "$cluster" --task-definition "$arn" --launch-type FARGATE \
  --started-by "${IMAGE_TAG:0:36}" --network-configuration "$network" \
  --query 'tasks[0].taskArn' --output text)
echo "Started $started; its log is in the log group of migrate."

# Asks 100 times, every 6 s.
aws ecs wait tasks-stopped --cluster "$cluster" --tasks "$started"
stopped=$(aws ecs describe-tasks --cluster "$cluster" --tasks "$started" --query 'tasks[0]' \
  --output json)
code=$(jq -r '.containers[0].exitCode // "none"' <<< "$stopped")
if [ "$code" != 0 ]; then
  echo "::error::The migrations failed ($code): $(jq -r .stoppedReason <<< "$stopped")"
  exit 1
fi
echo 'The schema is up to date.'
