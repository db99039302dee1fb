output "load_balancer_dns_name" {
  description = "Where CloudFront's origin host name points."
  value       = aws_lb.this.dns_name
}

output "load_balancer_arn_suffix" {
  description = "The load balancer, as CloudWatch's metrics name it."
  value       = aws_lb.this.arn_suffix
}

output "target_group_arn_suffixes" {
  description = "Target groups by service and group, as CloudWatch's metrics name them."
  value = merge(
    { for service, group in aws_lb_target_group.stable : "${service}/stable" => group.arn_suffix },
    { for service, group in aws_lb_target_group.beta : "${service}/beta" => group.arn_suffix },
  )
}

output "origin_token" {
  description = "What CloudFront says to the load balancer in X-Origin-Token."
  value       = random_password.origin_token.result
  sensitive   = true
}

output "cluster_name" {
  description = "The ECS cluster."
  value       = aws_ecs_cluster.this.name
}

output "migration_task" {
  description = "What a deployment runs before it rolls out."
  value = {
    cluster         = aws_ecs_cluster.this.name
    task_definition = aws_ecs_task_definition.migrate.family
    subnets         = var.network.private_subnet_ids
    security_groups = [var.network.security_group_ids.services]
  }
}

output "log_group_names" {
  description = "Log groups by service."
  value       = { for service, group in aws_cloudwatch_log_group.service : service => group.name }
}
