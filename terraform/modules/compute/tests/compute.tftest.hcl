mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { region = "us-east-2" }
  }

  mock_data "aws_ip_ranges" {
    defaults = { cidr_blocks = ["192.0.2.0/24"] }
  }
}

mock_provider "random" {}

variables {
  routing  = jsondecode(file("../../../services/routing.json"))
  services = jsondecode(file("../../services.json"))
}

run "both_stacks" {
  command = apply

  assert {
    condition = (
      aws_lb.this.drop_invalid_header_fields &&
      aws_lb.this.xff_header_processing_mode == "append" &&
      contains(["defensive", "strictest"], aws_lb.this.desync_mitigation_mode)
    )
    error_message = "the load balancer trusts no header that it did not check"
  }

  assert {
    condition     = aws_lb.this.idle_timeout == 60 && aws_lb.this.enable_deletion_protection
    error_message = "an idle minute ends a connection: below Node's 72 s, above the stream's 6 s"
  }

  assert {
    condition     = aws_lb_listener.https.protocol == "HTTPS" && strcontains(aws_lb_listener.https.ssl_policy, "TLS13")
    error_message = "the listener speaks TLS 1.2 or newer"
  }

  assert {
    condition = alltrue([
      for group in concat(values(aws_lb_target_group.stable), values(aws_lb_target_group.beta)) :
      try(group.health_check[0].path == "/health" && group.health_check[0].matcher == "200", false)
    ])
    error_message = "every target group has a health check"
  }

  assert {
    condition = alltrue([
      for service, group in merge(aws_lb_target_group.stable, aws_lb_target_group.beta) :
      group.port == var.routing.services[service].port && length(group.name) <= 32
    ])
    error_message = "every target group has its service's port and a name that AWS takes"
  }

  assert {
    condition     = toset(keys(aws_ecs_service.beta)) == toset(keys(var.beta_services))
    error_message = "there is one Fargate service for each entry"
  }

  assert {
    condition = alltrue([
      for service in aws_ecs_service.beta :
      service.deployment_circuit_breaker[0].enable && service.deployment_circuit_breaker[0].rollback &&
      service.deployment_minimum_healthy_percent == 100 && !service.network_configuration[0].assign_public_ip
    ])
    error_message = "a bad deployment is rolled back, a good one drops no copy, and no copy is public"
  }

  assert {
    condition = alltrue([
      for service, target in aws_appautoscaling_target.beta :
      target.min_capacity == var.beta_services[service].min_count && target.max_capacity == var.beta_services[service].max_count
    ])
    error_message = "every service is scaled between its bounds"
  }

  assert {
    condition     = toset(keys(aws_appautoscaling_policy.queue_wait)) == toset(["provider-worker"])
    error_message = "the worker is scaled on the wait in the queue, and nothing else is"
  }

  assert {
    condition = alltrue([
      for policy in aws_appautoscaling_policy.queue_wait :
      policy.target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].metric_name == "task_oldest_wait_seconds"
    ])
    error_message = "the wait is the one that the gateway measures"
  }

  assert {
    condition = alltrue([
      for key, policy in aws_appautoscaling_policy.load : !startswith(key, "provider-worker/") && (
        policy.target_tracking_scaling_policy_configuration[0].target_value == (endswith(key, "/cpu") ? 70 : 80)
      )
    ]) && length(aws_appautoscaling_policy.load) == 10
    error_message = "the other services are scaled on 70 % of CPU and 80 % of memory"
  }

  assert {
    condition = alltrue([
      for definition in aws_ecs_task_definition.beta : alltrue([
        for container in jsondecode(definition.container_definitions) :
        container.readonlyRootFilesystem && container.healthCheck != null && container.stopTimeout == 60 &&
        container.logConfiguration.logDriver == "awslogs"
      ])
    ])
    error_message = "every container has a read-only disk, a health check, a stop time-out and a log"
  }

  assert {
    condition = alltrue([
      for definition in aws_ecs_task_definition.beta :
      contains([for container in jsondecode(definition.container_definitions) : container.name], "collector")
    ])
    error_message = "every task has the collector beside it"
  }

  assert {
    condition = alltrue([
      for service, definition in aws_ecs_task_definition.beta : toset([
        for secret in jsondecode(definition.container_definitions)[0].secrets : secret.name
      ]) == setunion(var.services[service].secrets, setintersection(var.services[service].optional_secrets, ["SECRET_KEY_PREVIOUS"]))
    ])
    error_message = "every service gets its secrets and no other one's"
  }

  assert {
    condition = alltrue(flatten([
      for definition in aws_ecs_task_definition.beta : [
        for container in jsondecode(definition.container_definitions) : [
          for pair in try(container.environment, []) : !contains(keys(var.secret_arns), pair.name)
        ]
      ]
    ]))
    error_message = "no secret is in the plain environment"
  }

  assert {
    condition = alltrue([
      for group in concat(
        values(aws_cloudwatch_log_group.service),
        [aws_cloudwatch_log_group.collector, aws_cloudwatch_log_group.metrics, aws_cloudwatch_log_group.migrate],
      ) : group.retention_in_days == 90
    ]) && toset(keys(aws_cloudwatch_log_group.service)) == toset(keys(var.services))
    error_message = "every service has a log, and every log a retention"
  }

  assert {
    condition     = aws_autoscaling_group.stable.target_group_arns == toset([for group in aws_lb_target_group.stable : group.arn])
    error_message = "the machines are behind every stable target group"
  }

  assert {
    condition     = aws_autoscaling_group.stable.health_check_type == "ELB" && aws_autoscaling_group.stable.min_size >= 1
    error_message = "a machine that does not answer is replaced"
  }

  assert {
    condition = (
      aws_autoscaling_group.stable.instance_maintenance_policy[0].min_healthy_percentage == 100 &&
      aws_autoscaling_group.stable.instance_refresh[0].preferences[0].auto_rollback
    )
    error_message = "the new machine serves before the old one goes, or is rolled back"
  }

  assert {
    condition = (
      aws_launch_template.stable.metadata_options[0].http_tokens == "required" &&
      aws_launch_template.stable.block_device_mappings[0].ebs[0].encrypted == "true"
    )
    error_message = "the machine asks for metadata tokens and encrypts its disk"
  }

  assert {
    condition = (
      contains(local.compose.services.alloy.volumes, "/opt/funmagic/config.alloy:/etc/alloy/config.alloy:ro") &&
      strcontains(local.user_data, "// the configuration of Alloy") &&
      strcontains(local.user_data, "alloy LOKI_PASSWORD ${var.secret_arns["LOKI_PASSWORD"]}") &&
      !strcontains(yamlencode(local.compose), "PASSWORD=")
    )
    error_message = "Alloy runs beside the services, with its configuration and its secrets from memory"
  }

  assert {
    condition     = length(aws_launch_template.stable.user_data) < 16384 * 4 / 3
    error_message = "user data is 16 KiB at most"
  }

  assert {
    condition = alltrue([
      for service, _ in var.services :
      local.compose.services[service].read_only && local.compose.services[service].stop_grace_period == "60s" &&
      local.compose.services[service].image == "${var.images.registry}/${service}:${var.images.tag}"
    ])
    error_message = "Compose runs every service from the same images as Fargate, read-only, with time to end"
  }

  assert {
    condition = !anytrue([
      for name, arn in var.secret_arns : strcontains(yamlencode(local.compose), arn)
      ]) && alltrue([
      for service, given in var.services :
      local.secrets_by_container[service] == setunion(given.secrets, service == "provider-worker" ? ["SECRET_KEY_PREVIOUS"] : [])
    ])
    error_message = "each container gets its own secrets, from memory"
  }
}

run "without_a_grafana" {
  command = plan

  variables {
    grafana = null
  }

  assert {
    condition     = !contains(keys(local.compose.services), "alloy") && !contains(keys(local.secrets_by_container), "alloy")
    error_message = "Alloy, which can do what the engine can, runs only where somebody listens"
  }
}
