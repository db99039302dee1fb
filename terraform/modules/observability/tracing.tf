# Traces come from the collectors; how many is the services' own decision (OTEL_TRACES_SAMPLER in the
# environments' settings.tf). This group is where to look first.

resource "aws_xray_group" "errors" {
  group_name        = "${var.name}-errors"
  filter_expression = "fault = true OR responsetime > 5"

  insights_configuration {
    insights_enabled      = true
    notifications_enabled = false
  }
}
