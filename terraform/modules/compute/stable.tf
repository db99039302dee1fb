# The stable stack: every service on one EC2 machine, by Compose, behind the same load balancer. Machines
# are replaced, never changed: a new image tag is a new launch template, and the group starts the new
# machine before it ends the old one.

locals {
  log_driver = {
    for service, _ in var.services : service => {
      driver = "awslogs"
      options = {
        awslogs-group   = aws_cloudwatch_log_group.service[service].name
        awslogs-region  = local.region
        tag             = "stable/${service}/{{.ID}}"
        mode            = "non-blocking"
        max-buffer-size = "25m"
      }
    }
  }

  # The same images, environment and secrets as on Fargate.
  compose = {
    name = "funmagic"
    services = merge(
      {
        for service, _ in var.services : service => {
          image        = "${var.images.registry}/${service}:${var.images.tag}"
          restart      = "unless-stopped"
          init         = true
          read_only    = true
          cap_drop     = ["ALL"]
          security_opt = ["no-new-privileges:true"]
          tmpfs        = ["/tmp"]
          env_file     = ["/opt/funmagic/environment", "/run/funmagic/${service}"]
          environment = {
            PORT              = tostring(var.routing.services[service].port)
            OTEL_SERVICE_NAME = service
          }
          ports             = ["${var.routing.services[service].port}:${var.routing.services[service].port}"]
          stop_grace_period = "${local.stop_timeout_seconds}s"
          ulimits           = { nofile = 65536 }
          healthcheck       = { test = concat(["CMD"], local.health_commands[service]), interval = "10s", timeout = "5s", retries = 3, start_period = "30s" }
          logging           = local.log_driver[service]
        }
      },
      {
        collector = {
          image       = local.collector_image
          restart     = "unless-stopped"
          read_only   = true
          cap_drop    = ["ALL"]
          command     = ["--config=/etc/collector.yaml"]
          volumes     = ["/opt/funmagic/collector.yaml:/etc/collector.yaml:ro"]
          env_file    = ["/run/funmagic/collector"]
          environment = { AWS_REGION = local.region }
        }
      },
      local.alloy,
    )
  }

  secrets_by_container = merge(
    local.secrets,
    { collector = toset(["METRICS_AUTH_TOKEN"]) },
    local.alloy_secrets,
  )

  user_data = templatefile("${path.module}/user-data.sh.tftpl", {
    region    = local.region
    registry  = split("/", var.images.registry)[0]
    compose   = yamlencode(local.compose)
    collector = local.stable_collector
    alloy     = try(var.grafana.configuration, "")
    environment = join("\n", [
      for name, value in merge(local.service_environment, {
        SERVED_BY                   = "stable"
        OTEL_EXPORTER_OTLP_ENDPOINT = "http://collector:4318"
        OTEL_RESOURCE_ATTRIBUTES    = "deployment.environment.name=${local.stage},funmagic.group=stable"
      }) : "${name}=${value}"
    ])
    secrets = join("\n", flatten([
      for container, names in local.secrets_by_container :
      [for name in names : "${container} ${name} ${var.secret_arns[name]}"]
    ]))
  })
}

resource "aws_launch_template" "stable" {
  name                   = "${var.name}-stable"
  image_id               = "resolve:ssm:/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
  instance_type          = var.stable.instance_type
  vpc_security_group_ids = [var.network.security_group_ids.services]
  update_default_version = true
  user_data              = base64gzip(local.user_data)

  iam_instance_profile {
    arn = aws_iam_instance_profile.stable.arn
  }

  # Containers are one hop further than the machine; without a token nobody reads the role.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 2
  }

  block_device_mappings {
    device_name = "/dev/sda1"

    ebs {
      volume_type           = "gp3"
      volume_size           = var.stable.disk_gib
      encrypted             = true
      delete_on_termination = true
    }
  }

  monitoring {
    enabled = true
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { Name = "${var.name}-stable" }
  }
}

resource "aws_autoscaling_group" "stable" {
  name                      = "${var.name}-stable"
  min_size                  = var.stable.instances
  max_size                  = var.stable.instances * 2
  desired_capacity          = var.stable.instances
  vpc_zone_identifier       = var.network.private_subnet_ids
  target_group_arns         = [for group in aws_lb_target_group.stable : group.arn]
  health_check_type         = "ELB"
  health_check_grace_period = 300
  default_instance_warmup   = 120
  wait_for_capacity_timeout = "15m"

  launch_template {
    id      = aws_launch_template.stable.id
    version = aws_launch_template.stable.latest_version
  }

  instance_maintenance_policy {
    min_healthy_percentage = 100
    max_healthy_percentage = 200
  }

  instance_refresh {
    strategy = "Rolling"

    preferences {
      min_healthy_percentage = 100
      max_healthy_percentage = 200
      auto_rollback          = true
      instance_warmup        = 120
    }
  }
}
