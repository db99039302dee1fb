mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { region = "us-east-2" }
  }
}

variables {
  name                    = "funmagic-test"
  cidr                    = "10.20.0.0/16"
  availability_zones      = ["us-east-2a", "us-east-2b", "us-east-2c"]
  nat_gateways            = 3
  interface_endpoints     = ["ecr.api", "logs"]
  service_ports           = [3001, 3002]
  flow_log_retention_days = 90
}

run "tiers" {
  command = apply

  assert {
    condition = length(setintersection(
      [for subnet in aws_subnet.public : subnet.cidr_block],
      [for subnet in aws_subnet.private : subnet.cidr_block],
      [for subnet in aws_subnet.database : subnet.cidr_block],
      )) == 0 && length(distinct(flatten([
        for tier in [aws_subnet.public, aws_subnet.private, aws_subnet.database] :
        [for subnet in tier : subnet.cidr_block]
    ]))) == 9
    error_message = "three tiers in three zones are nine distinct subnets"
  }

  assert {
    condition     = alltrue([for subnet in aws_subnet.public : !subnet.map_public_ip_on_launch])
    error_message = "nothing gets a public address by being in a subnet"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 3
    error_message = "three NAT gateways were asked for"
  }

  assert {
    condition = alltrue([
      for zone in var.availability_zones :
      aws_route.private_internet[zone].nat_gateway_id == aws_nat_gateway.this[zone].id
    ])
    error_message = "each zone leaves through its own NAT gateway"
  }
}

run "doors" {
  command = apply

  assert {
    condition = (
      aws_vpc_security_group_ingress_rule.load_balancer_from_cloudfront.from_port == 443 &&
      aws_vpc_security_group_ingress_rule.load_balancer_from_cloudfront.cidr_ipv4 == null &&
      aws_vpc_security_group_ingress_rule.load_balancer_from_cloudfront.prefix_list_id ==
      data.aws_ec2_managed_prefix_list.cloudfront.id
    )
    error_message = "only CloudFront may open connections to the load balancer, and only to 443"
  }

  assert {
    condition = alltrue([
      for rule in concat(
        values(aws_vpc_security_group_ingress_rule.services_from_load_balancer),
        values(aws_vpc_security_group_ingress_rule.store_from_services),
        [aws_vpc_security_group_ingress_rule.endpoints_from_services],
      ) : rule.cidr_ipv4 == null && rule.referenced_security_group_id != null
    ])
    error_message = "inner tiers are reached from a security group, never from an address"
  }

  assert {
    condition = alltrue([
      for rule in aws_network_acl_rule.database_in : contains(
        [for subnet in aws_subnet.private : subnet.cidr_block], rule.cidr_block
      ) && contains([5432, 6379], rule.from_port)
    ])
    error_message = "the database tier is reached from the private tier on two ports"
  }

  assert {
    condition = length(aws_default_security_group.closed.ingress) == 0 && (
      length(aws_default_security_group.closed.egress) == 0
    )
    error_message = "the default security group opens nothing"
  }
}

run "records" {
  command = apply

  assert {
    condition     = aws_flow_log.this.traffic_type == "ALL" && aws_flow_log.this.log_destination == aws_cloudwatch_log_group.flow.arn
    error_message = "all traffic is recorded"
  }

  assert {
    condition     = aws_cloudwatch_log_group.flow.retention_in_days == 90
    error_message = "the flow log has a retention"
  }

  assert {
    condition     = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway" && length(aws_vpc_endpoint.interface) == 2
    error_message = "S3 has a gateway endpoint, and each endpoint asked for is there"
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.flow_log.policy).Statement :
      alltrue([for action in flatten([statement.Action]) : !strcontains(action, "*")])
    ])
    error_message = "no role has an action with a wildcard"
  }
}

run "one_nat_gateway_serves_all_zones" {
  command = apply

  variables {
    nat_gateways        = 1
    interface_endpoints = []
  }

  assert {
    condition = length(aws_nat_gateway.this) == 1 && alltrue([
      for route in aws_route.private_internet : route.nat_gateway_id == aws_nat_gateway.this["us-east-2a"].id
    ])
    error_message = "every zone uses the only NAT gateway"
  }
}

run "one_zone_is_refused" {
  command = plan

  variables {
    availability_zones = ["us-east-2a"]
  }

  expect_failures = [var.availability_zones]
}
