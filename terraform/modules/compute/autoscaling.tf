# Services follow their load; workers follow what users feel, which is the wait in the queue and not
# the CPU (they mostly wait for providers). Expected wait, by Little's law, in seconds:
#
#   waiting tasks × seconds of a task / (workers × tasks that a worker runs at once)

locals {
  scaled_on_load  = { for service, size in var.beta_services : service => size if var.services[service].scale_on == "load" }
  scaled_on_queue = { for service, size in var.beta_services : service => size if var.services[service].scale_on == "queue" }

  queue_wait_target_seconds = 30
  task_seconds              = 20
  # WORKER_CONCURRENCY of the worker.
  tasks_per_worker = tonumber(lookup(var.environment, "WORKER_CONCURRENCY", "5"))
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

    customized_metric_specification {
      metrics {
        id          = "wait"
        label       = "Expected wait in the queue, in seconds"
        expression  = "waiting * ${local.task_seconds} / (workers * ${local.tasks_per_worker})"
        return_data = true
      }

      # Every copy of the gateway reports the same queue, so the largest report is the queue.
      metrics {
        id          = "waiting"
        return_data = false

        metric_stat {
          stat = "Maximum"

          metric {
            namespace   = var.name
            metric_name = "bullmq_waiting"

            dimensions {
              name  = "service"
              value = "task-gateway"
            }
          }
        }
      }

      metrics {
        id          = "workers"
        return_data = false

        metric_stat {
          stat = "Average"

          metric {
            namespace   = "ECS/ContainerInsights"
            metric_name = "RunningTaskCount"

            dimensions {
              name  = "ClusterName"
              value = aws_ecs_cluster.this.name
            }

            dimensions {
              name  = "ServiceName"
              value = each.key
            }
          }
        }
      }
    }
  }
}
