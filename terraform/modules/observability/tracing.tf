# Traces come from the collectors. Every failed request is kept, and one in twenty of the others.

resource "aws_xray_sampling_rule" "default" {
  rule_name      = substr(var.name, 0, 32)
  priority       = 9000
  version        = 1
  reservoir_size = 1
  fixed_rate     = 0.05
  service_name   = "*"
  service_type   = "*"
  host           = "*"
  http_method    = "*"
  url_path       = "*"
  resource_arn   = "*"
}

resource "aws_xray_group" "errors" {
  group_name        = "${var.name}-errors"
  filter_expression = "fault = true OR error = true OR responsetime > 5"

  insights_configuration {
    insights_enabled      = true
    notifications_enabled = false
  }
}
