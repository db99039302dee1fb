# The one-off task that a deployment runs and waits for before it rolls out: it may change the schema
# and do nothing else.

resource "aws_ecs_task_definition" "migrate" {
  family                   = "${var.name}-migrate"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 512
  memory                   = 1024
  execution_role_arn       = aws_iam_role.migrate.arn

  container_definitions = jsonencode([{
    name                   = "migrate"
    image                  = "${var.images.registry}/migrate:${var.images.tag}"
    essential              = true
    readonlyRootFilesystem = true
    linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
    secrets                = [{ name = "DATABASE_URL", valueFrom = var.secret_arns["DATABASE_URL"] }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.migrate.name
        awslogs-region        = local.region
        awslogs-stream-prefix = "migrate"
      }
    }
  }])
}

resource "aws_iam_role" "migrate" {
  name               = "${var.name}-migrate-start"
  assume_role_policy = local.assumed_by["ecs-tasks"]
}

resource "aws_iam_role_policy" "migrate" {
  name = "start"
  role = aws_iam_role.migrate.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.fetch_images, [
      {
        Sid      = "ReadSecrets"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = [var.secret_arns["DATABASE_URL"]]
      },
      {
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.migrate.arn}:*"
      },
    ])
  })
}
