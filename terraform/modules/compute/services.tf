# The beta stack: one Fargate service for each entry of beta_services, spread over the zones.

resource "aws_ecs_service" "beta" {
  for_each = var.beta_services

  name                              = each.key
  cluster                           = aws_ecs_cluster.this.id
  task_definition                   = aws_ecs_task_definition.beta[each.key].arn
  desired_count                     = each.value.min_count
  availability_zone_rebalancing     = "ENABLED"
  enable_execute_command            = false
  propagate_tags                    = "SERVICE"
  health_check_grace_period_seconds = contains(local.beta_routed, each.key) ? 60 : null

  # New copies are healthy before old ones go: at no time are there fewer than asked for.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  capacity_provider_strategy {
    capacity_provider = "FARGATE"
    weight            = 1
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.network.private_subnet_ids
    security_groups  = [var.network.security_group_ids.services]
    assign_public_ip = false
  }

  # Nobody is routed to the worker: it fetches its tasks.
  dynamic "load_balancer" {
    for_each = contains(local.beta_routed, each.key) ? [each.key] : []

    content {
      target_group_arn = aws_lb_target_group.beta[each.key].arn
      container_name   = each.key
      container_port   = var.routing.services[each.key].port
    }
  }

  depends_on = [aws_lb_listener_rule.this, aws_iam_role_policy.execution, aws_iam_role_policy.task]

  lifecycle {
    # Autoscaling decides how many there are.
    ignore_changes = [desired_count]
  }
}
