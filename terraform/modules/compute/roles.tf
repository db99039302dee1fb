# Least privilege (S13): the execution role of a service fetches its image and its secrets, its task
# role touches its files. No action has a wildcard; a resource has one only where AWS knows no other.

locals {
  assumed_by = {
    for service in ["ecs-tasks", "ec2"] : service => jsonencode({
      Version = "2012-10-17"
      Statement = [{
        Effect    = "Allow"
        Action    = "sts:AssumeRole"
        Principal = { Service = "${service}.amazonaws.com" }
      }]
    })
  }

  fetch_images = [
    {
      Sid      = "SignInToRegistry"
      Effect   = "Allow"
      Action   = ["ecr:GetAuthorizationToken"]
      Resource = "*"
    },
    {
      Sid      = "FetchImages"
      Effect   = "Allow"
      Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      Resource = "arn:aws:ecr:${local.registry.region}:${local.registry.account}:repository/${local.registry.prefix}/*"
    },
  ]

  send_telemetry = [
    {
      Sid      = "SendTraces"
      Effect   = "Allow"
      Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
      Resource = "*"
    },
    {
      Sid      = "SendMetrics"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.metrics.arn}:*"
    },
  ]

  # A bucket may be listed by whoever reads from it: without that, a missing file is a 403. What is
  # arriving in parts may be listed by whoever may abort it: AWS knows that of whole buckets only.
  file_statements = {
    for service, given in var.services : service => concat(
      [
        for grant in given.objects : {
          Sid      = "Files${replace(title("${grant.bucket} ${replace(grant.prefix, "/", " ")}"), " ", "")}"
          Effect   = "Allow"
          Action   = sort(grant.actions)
          Resource = "${var.bucket_arns[grant.bucket]}/${grant.prefix}*"
        }
      ],
      [
        for bucket in distinct([for grant in given.objects : grant.bucket]) : {
          Sid    = "List${title(bucket)}"
          Effect = "Allow"
          Action = concat(["s3:ListBucket"], [
            for action in ["s3:ListBucketMultipartUploads"] : action if anytrue([
              for grant in given.objects : grant.bucket == bucket && contains(grant.actions, "s3:AbortMultipartUpload")
            ])
          ])
          Resource = var.bucket_arns[bucket]
        }
      ],
      [
        for distribution in given.invalidates_cdn ? [var.public_distribution_arn] : [] : {
          Sid      = "ForgetUnpublished"
          Effect   = "Allow"
          Action   = ["cloudfront:CreateInvalidation"]
          Resource = distribution
        }
      ],
    )
  }
}

resource "aws_iam_role" "execution" {
  for_each = var.beta_services

  name               = "${var.name}-${each.key}-start"
  assume_role_policy = local.assumed_by["ecs-tasks"]
}

resource "aws_iam_role_policy" "execution" {
  for_each = var.beta_services

  name = "start"
  role = aws_iam_role.execution[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.fetch_images, [
      {
        Sid      = "ReadSecrets"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = [for name in sort(setunion(local.secrets[each.key], ["METRICS_AUTH_TOKEN"])) : var.secret_arns[name]]
      },
      {
        Sid      = "ReadCollectorConfiguration"
        Effect   = "Allow"
        Action   = ["ssm:GetParameters"]
        Resource = aws_ssm_parameter.collector[each.key].arn
      },
      {
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["${aws_cloudwatch_log_group.service[each.key].arn}:*", "${aws_cloudwatch_log_group.collector.arn}:*"]
      },
    ])
  })
}

resource "aws_iam_role" "task" {
  for_each = var.beta_services

  name               = "${var.name}-${each.key}"
  assume_role_policy = local.assumed_by["ecs-tasks"]
}

resource "aws_iam_role_policy" "task" {
  for_each = var.beta_services

  name   = "work"
  role   = aws_iam_role.task[each.key].id
  policy = jsonencode({ Version = "2012-10-17", Statement = concat(local.send_telemetry, local.file_statements[each.key]) })
}
