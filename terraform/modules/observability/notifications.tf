# One topic in each of the two regions that have metrics of ours; both go to the same people. Neither
# is encrypted with Amazon's own key for SNS, with which alarms and budgets may not publish; what they
# say is no secret.

resource "aws_sns_topic" "alerts" {
  name = "${var.name}-alerts"
}

resource "aws_sns_topic_subscription" "alerts" {
  for_each = var.alert_emails

  topic_arn = aws_sns_topic.alerts.arn
  protocol  = "email"
  endpoint  = each.key
}

resource "aws_sns_topic" "edge_alerts" {
  provider = aws.us_east_1

  name = "${var.name}-edge-alerts"
}

resource "aws_sns_topic_subscription" "edge_alerts" {
  provider = aws.us_east_1
  for_each = var.alert_emails

  topic_arn = aws_sns_topic.edge_alerts.arn
  protocol  = "email"
  endpoint  = each.key
}

resource "aws_sns_topic_policy" "edge_alerts" {
  provider = aws.us_east_1

  arn = aws_sns_topic.edge_alerts.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for sender in ["cloudwatch", "budgets", "costalerts"] : {
        Sid       = title(sender)
        Effect    = "Allow"
        Principal = { Service = "${sender}.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.edge_alerts.arn
        Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
      }
    ]
  })
}

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}
