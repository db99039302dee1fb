# Each group opens what the next tier needs and nothing else. Only CloudFront reaches the load
# balancer (reliability 1.12); the listener asks for its token besides.

data "aws_ec2_managed_prefix_list" "cloudfront" {
  name = "com.amazonaws.global.cloudfront.origin-facing"
}

resource "aws_security_group" "load_balancer" {
  name        = "${var.name}-load-balancer"
  description = "The load balancer: from CloudFront, to the services"
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name}-load-balancer" }
}

resource "aws_vpc_security_group_ingress_rule" "load_balancer_from_cloudfront" {
  security_group_id = aws_security_group.load_balancer.id
  description       = "HTTPS from CloudFront's origin-facing addresses"
  prefix_list_id    = data.aws_ec2_managed_prefix_list.cloudfront.id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "load_balancer_to_services" {
  for_each = { for port in var.service_ports : tostring(port) => port }

  security_group_id            = aws_security_group.load_balancer.id
  description                  = "To the service on port ${each.key}"
  referenced_security_group_id = aws_security_group.services.id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

resource "aws_security_group" "services" {
  name        = "${var.name}-services"
  description = "Whatever runs our code, on EC2 or Fargate"
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name}-services" }
}

resource "aws_vpc_security_group_ingress_rule" "services_from_load_balancer" {
  for_each = { for port in var.service_ports : tostring(port) => port }

  security_group_id            = aws_security_group.services.id
  description                  = "From the load balancer on port ${each.key}"
  referenced_security_group_id = aws_security_group.load_balancer.id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

# Providers and AWS are on 443; Ubuntu's package archive, which signs what it serves, is on 80.
resource "aws_vpc_security_group_egress_rule" "services_to_internet" {
  for_each = { https = 443, packages = 80 }

  security_group_id = aws_security_group.services.id
  description       = "To providers, AWS and package archives (${each.key})"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
}

resource "aws_vpc_security_group_egress_rule" "services_to_store" {
  for_each = local.stores

  security_group_id            = aws_security_group.services.id
  description                  = "To ${each.key}"
  referenced_security_group_id = aws_security_group.store[each.key].id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

locals {
  stores = { postgres = 5432, redis = 6379 }
}

resource "aws_security_group" "store" {
  for_each = local.stores

  name        = "${var.name}-${each.key}"
  description = "${each.key}: from the services only, to nowhere"
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_security_group_ingress_rule" "store_from_services" {
  for_each = local.stores

  security_group_id            = aws_security_group.store[each.key].id
  description                  = "From the services"
  referenced_security_group_id = aws_security_group.services.id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

resource "aws_security_group" "endpoints" {
  name        = "${var.name}-endpoints"
  description = "VPC endpoints: from the services only"
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name}-endpoints" }
}

resource "aws_vpc_security_group_ingress_rule" "endpoints_from_services" {
  security_group_id            = aws_security_group.endpoints.id
  description                  = "From the services"
  referenced_security_group_id = aws_security_group.services.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}
