# One record for each load balancer, answered by health and by the policy (I15, properties P27 and
# P29). The balancers refuse whoever is not CloudFront, Route 53's probes too: so a target is
# healthy while its own alarm, which sees its copies, is silent. No data is no health.

resource "aws_route53_health_check" "target" {
  for_each = var.targets

  reference_name                  = substr("${var.name}-${each.key}", 0, 27)
  type                            = "CLOUDWATCH_METRIC"
  cloudwatch_alarm_name           = each.value.alarm_name
  cloudwatch_alarm_region         = each.value.region
  insufficient_data_health_status = "Unhealthy"

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_route53_record" "target" {
  for_each = var.targets

  zone_id         = aws_route53_zone.this.zone_id
  name            = "origin.${aws_route53_zone.this.name}"
  type            = "CNAME"
  ttl             = 60
  records         = [each.value.dns_name]
  set_identifier  = each.key
  health_check_id = aws_route53_health_check.target[each.key].id

  dynamic "failover_routing_policy" {
    for_each = var.policy == "failover" ? [each.value] : []

    content {
      type = failover_routing_policy.value.is_standby ? "SECONDARY" : "PRIMARY"
    }
  }

  dynamic "weighted_routing_policy" {
    for_each = var.policy == "weighted" ? [each.value] : []

    content {
      weight = weighted_routing_policy.value.weight
    }
  }

  dynamic "latency_routing_policy" {
    for_each = var.policy == "latency" ? [each.value] : []

    content {
      region = latency_routing_policy.value.region
    }
  }
}
