# Each service that has a path is a target group twice: on the EC2 machines (stable), and on Fargate
# (beta) where tfvars say so.

locals {
  routed_services = toset([for path in var.routing.paths : path.service])
  beta_routed     = toset([for service in local.routed_services : service if contains(keys(var.beta_services), service)])
  stage           = trimprefix(var.name, "funmagic-")

  # ECS and Auto Scaling deregister a target, wait for this, and only then send SIGTERM. A stream that
  # outlives it is resumed elsewhere by its Last-Event-ID.
  deregistration_delay_seconds = 60
}

resource "aws_lb_target_group" "stable" {
  for_each = local.routed_services

  name                          = "${local.stage}-${each.key}-stable"
  vpc_id                        = var.network.vpc_id
  target_type                   = "instance"
  protocol                      = "HTTP"
  port                          = var.routing.services[each.key].port
  deregistration_delay          = local.deregistration_delay_seconds
  load_balancing_algorithm_type = "least_outstanding_requests"

  health_check {
    path                = var.routing.services[each.key].healthPath
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_target_group" "beta" {
  for_each = local.beta_routed

  name                          = "${local.stage}-${each.key}-beta"
  vpc_id                        = var.network.vpc_id
  target_type                   = "ip"
  protocol                      = "HTTP"
  port                          = var.routing.services[each.key].port
  deregistration_delay          = local.deregistration_delay_seconds
  load_balancing_algorithm_type = "least_outstanding_requests"

  health_check {
    path                = var.routing.services[each.key].healthPath
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}
