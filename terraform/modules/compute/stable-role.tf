# One machine runs every service, so its role is the sum of theirs. That is the price of one box;
# on Fargate each service has a role of its own.

resource "aws_iam_role" "stable" {
  name               = "${var.name}-stable"
  assume_role_policy = local.assumed_by["ec2"]
}

resource "aws_iam_instance_profile" "stable" {
  name = "${var.name}-stable"
  role = aws_iam_role.stable.name
}

# Sessions for people without SSH: no port, no keys, every session on record.
resource "aws_iam_role_policy_attachment" "stable_sessions" {
  role       = aws_iam_role.stable.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_role_policy" "stable" {
  name = "run-every-service"
  role = aws_iam_role.stable.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.fetch_images, local.send_telemetry, [
      {
        Sid      = "ReadSecrets"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = [for name in sort(setunion(values(local.secrets_by_container)...)) : var.secret_arns[name]]
      },
      {
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = [for group in aws_cloudwatch_log_group.service : "${group.arn}:*"]
      },
    ])
  })
}

# The files of each service in a policy of its own, so that an inline policy's size is no limit.
resource "aws_iam_role_policy" "stable_files" {
  for_each = { for service, statements in local.file_statements : service => statements if length(statements) > 0 }

  name   = "files-of-${each.key}"
  role   = aws_iam_role.stable.id
  policy = jsonencode({ Version = "2012-10-17", Statement = each.value })
}
