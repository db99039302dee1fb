# The one door of both stacks. Only CloudFront gets through the security group, and of all of
# CloudFront only our distribution knows the token that every rule asks for (reliability 1.12).

locals {
  origin_token_header = "X-Origin-Token"
}

resource "random_password" "origin_token" {
  length  = 48
  special = false
}

resource "aws_lb" "this" {
  name               = var.name
  load_balancer_type = "application"
  internal           = false
  subnets            = var.network.public_subnet_ids
  security_groups    = [var.network.security_group_ids.load_balancer]

  # A stream shows a sign of life every 6 s, so a silent minute is a dead peer. Node keeps idle
  # connections for 72 s: the balancer must be the side that closes them.
  idle_timeout = 60

  xff_header_processing_mode = "append"
  drop_invalid_header_fields = true
  desync_mitigation_mode     = "defensive"
  enable_http2               = true
  enable_deletion_protection = true

  access_logs {
    enabled = true
    bucket  = var.log_bucket
    prefix  = "load-balancer"
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn

  # No rule knew the path, or the request did not come through our CloudFront.
  default_action {
    type = "fixed-response"

    fixed_response {
      content_type = "application/json"
      status_code  = "404"
      message_body = jsonencode({ error = { code = "NOT_FOUND", message = "There is nothing here." } })
    }
  }

  lifecycle {
    precondition {
      condition     = length(local.rules) <= 100
      error_message = "A load balancer has 100 rules at most (AWS default quota)."
    }
  }
}
