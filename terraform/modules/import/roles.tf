resource "aws_iam_role" "secrets" {
  name = "${var.name}-import"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "dms.${data.aws_region.current.region}.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "secrets" {
  name = "read-addresses"
  role = aws_iam_role.secrets.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
      Resource = [for secret in aws_secretsmanager_secret.endpoint : secret.arn]
    }]
  })
}

data "aws_region" "current" {}
