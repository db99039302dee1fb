# One log group for each service, shared by its copies on both stacks: what a request did is found
# in one place, and the stream's name says which stack did it.

resource "aws_cloudwatch_log_group" "service" {
  for_each = var.services

  name              = "/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days
}

resource "aws_cloudwatch_log_group" "collector" {
  name              = "/${var.name}/collector"
  retention_in_days = var.log_retention_days
}

# The collector writes metrics as log lines, which CloudWatch turns into metrics.
resource "aws_cloudwatch_log_group" "metrics" {
  name              = "/${var.name}/metrics"
  retention_in_days = var.log_retention_days
}

resource "aws_cloudwatch_log_group" "migrate" {
  name              = "/${var.name}/migrate"
  retention_in_days = var.log_retention_days
}
