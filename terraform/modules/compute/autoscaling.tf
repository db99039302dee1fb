# Services follow their load; workers follow what users feel, which is how long the oldest task has
# been waiting for one, and not the CPU (they mostly wait for providers).

locals {
  scaled_on_load  = { for service, size in var.beta_services : service => size if var.services[service].scale_on == "load" }
  scaled_on_queue = { for service, size in var.beta_services : service => size if var.services[service].scale_on == "queue" }

  queue_wait_target_seconds = 30
}

resource "aws_appautoscaling_target" "beta" {
  for_each = var.beta_services

  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.beta[each.key].name}"
  min_capacity       = each.value.min_count
  max_capacity       = each.value.max_count
}

resource "aws_appautoscaling_policy" "load" {
  for_each = merge([
    for service, _ in local.scaled_on_load : {
      "${service}/cpu"    = { service = service, metric = "ECSServiceAverageCPUUtilization", target = 70 }
      "${service}/memory" = { service = service, metric = "ECSServiceAverageMemoryUtilization", target = 80 }
    }
  ]...)

  name               = replace(each.key, "/", "-")
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.beta[each.value.service].service_namespace
  scalable_dimension = aws_appautoscaling_target.beta[each.value.service].scalable_dimension
  resource_id        = aws_appautoscaling_target.beta[each.value.service].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = each.value.target
    scale_out_cooldown = 60
    scale_in_cooldown  = 300

    predefined_metric_specification {
      predefined_metric_type = each.value.metric
    }
  }
}

resource "aws_appautoscaling_policy" "queue_wait" {
  for_each = local.scaled_on_queue

  name               = "${each.key}-queue-wait"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.beta[each.key].service_namespace
  scalable_dimension = aws_appautoscaling_target.beta[each.key].scalable_dimension
  resource_id        = aws_appautoscaling_target.beta[each.key].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = local.queue_wait_target_seconds
    scale_out_cooldown = 30
    scale_in_cooldown  = 300

    # Every copy of the gateway reports the same queue, so the largest report is the queue.
    customized_metric_specification {
      namespace   = var.name
      metric_name = "task_oldest_wait_seconds"
      statistic   = "Maximum"

      dimensions {
        name  = "service"
        value = "task-gateway"
      }
    }
  }
}
