# AWS's distribution of the OpenTelemetry collector, beside every copy on Fargate and once on each EC2
# machine: traces to X-Ray, the services' own metrics to CloudWatch (O9, and queue wait for scaling).

locals {
  collector_image = "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"
  region          = data.aws_region.current.region
  registry        = regex("^(?P<account>[0-9]{12})\\.dkr\\.ecr\\.(?P<region>[a-z0-9-]+)\\.amazonaws\\.com/(?P<prefix>.+)$", var.images.registry)
}

data "aws_region" "current" {}

resource "aws_ssm_parameter" "collector" {
  for_each = var.beta_services

  name        = "/${var.name}/collector/${each.key}"
  description = "Configuration of the collector beside ${each.key}"
  type        = "String"

  value = templatefile("${path.module}/collector.yaml.tftpl", {
    endpoint  = "127.0.0.1:4318"
    targets   = { (each.key) = "127.0.0.1:${var.routing.services[each.key].port}" }
    region    = local.region
    namespace = var.name
    log_group = aws_cloudwatch_log_group.metrics.name
  })
}

locals {
  stable_collector = templatefile("${path.module}/collector.yaml.tftpl", {
    endpoint  = "0.0.0.0:4318"
    targets   = { for service, _ in var.services : service => "${service}:${var.routing.services[service].port}" }
    region    = local.region
    namespace = var.name
    log_group = aws_cloudwatch_log_group.metrics.name
  })
}
