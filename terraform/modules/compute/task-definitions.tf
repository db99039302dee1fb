# A process of ours and its collector. The same environment and secrets as on EC2; stop time-outs are
# longer than what the process takes to end by itself (5 s drain and 25 s to close).

locals {
  stop_timeout_seconds = 60

  # CloudFront and the load balancer are the only ones whose X-Forwarded-For is believed.
  trusted_proxies = concat(var.network.public_subnet_cidrs, sort(data.aws_ip_ranges.cloudfront.cidr_blocks))

  service_environment = merge(var.environment, {
    HOST            = "0.0.0.0"
    TRUSTED_PROXIES = join(",", local.trusted_proxies)
  })

  # What this installation does not have, nobody is given.
  secrets = {
    for service, given in var.services :
    service => setunion(given.secrets, setintersection(given.optional_secrets, keys(var.secret_arns)))
  }

  health_commands = {
    for service, _ in var.services : service => [
      "node", "-e",
      "fetch('http://127.0.0.1:${var.routing.services[service].port}${var.routing.services[service].healthPath}',{signal:AbortSignal.timeout(4000)}).then(r=>process.exit(r.ok?0:1),()=>process.exit(1))",
    ]
  }
}

data "aws_ip_ranges" "cloudfront" {
  services = ["cloudfront_origin_facing"]
}

resource "aws_ecs_task_definition" "beta" {
  for_each = var.beta_services

  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.cpu
  memory                   = each.value.memory_mib
  execution_role_arn       = aws_iam_role.execution[each.key].arn
  task_role_arn            = aws_iam_role.task[each.key].arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "X86_64"
  }

  # The only place that a process may write to, gone with the task. It keeps the permissions that the
  # image gives /tmp where the image declares it (VOLUME /tmp).
  volume {
    name = "tmp"
  }

  container_definitions = jsonencode([
    {
      name                   = each.key
      image                  = "${var.images.registry}/${each.key}:${var.images.tag}"
      essential              = true
      readonlyRootFilesystem = true
      stopTimeout            = local.stop_timeout_seconds
      mountPoints            = [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
      portMappings           = [{ containerPort = var.routing.services[each.key].port, protocol = "tcp" }]
      linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
      ulimits                = [{ name = "nofile", softLimit = 65536, hardLimit = 65536 }]
      dependsOn              = [{ containerName = "collector", condition = "START" }]

      environment = [
        for name, value in merge(local.service_environment, {
          SERVED_BY                   = "beta"
          PORT                        = tostring(var.routing.services[each.key].port)
          OTEL_SERVICE_NAME           = each.key
          OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:4318"
          OTEL_RESOURCE_ATTRIBUTES    = "deployment.environment.name=${local.stage},funmagic.group=beta"
        }) : { name = name, value = value }
      ]
      secrets = [
        for name in local.secrets[each.key] : { name = name, valueFrom = var.secret_arns[name] }
      ]

      healthCheck = {
        command     = concat(["CMD"], local.health_commands[each.key])
        interval    = 10
        timeout     = 5
        retries     = 3
        startPeriod = 30
      }
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.service[each.key].name
          awslogs-region        = local.region
          awslogs-stream-prefix = "beta"
          mode                  = "non-blocking"
          max-buffer-size       = "25m"
        }
      }
    },
    {
      name                   = "collector"
      image                  = local.collector_image
      essential              = false
      readonlyRootFilesystem = true
      memory                 = 128
      stopTimeout            = local.stop_timeout_seconds
      secrets = [
        { name = "AOT_CONFIG_CONTENT", valueFrom = aws_ssm_parameter.collector[each.key].arn },
        { name = "METRICS_AUTH_TOKEN", valueFrom = var.secret_arns["METRICS_AUTH_TOKEN"] },
      ]
      healthCheck = { command = ["CMD", "/healthcheck"], interval = 30, timeout = 5, retries = 3, startPeriod = 10 }
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.collector.name
          awslogs-region        = local.region
          awslogs-stream-prefix = each.key
        }
      }
    },
  ])
}
