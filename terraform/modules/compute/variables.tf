variable "name" {
  description = "Prefix of every name: funmagic- and the environment."
  type        = string

  validation {
    condition     = can(regex("^funmagic-[a-z]{3,10}$", var.name))
    error_message = "funmagic- and three to ten letters: a target group's name has 32 characters at most."
  }
}

variable "network" {
  description = "Where things run, as the network module says."
  type = object({
    vpc_id              = string
    public_subnet_ids   = list(string)
    public_subnet_cidrs = list(string)
    private_subnet_ids  = list(string)
    security_group_ids  = object({ load_balancer = string, services = string })
  })
}

variable "routing" {
  description = "services/routing.json: who serves which path, and who is steered where."
  type = object({
    steering = list(object({
      name     = string
      priority = number
      header   = optional(object({ name = string, value = string }))
      cookie   = optional(object({ name = string, value = string }))
      group    = string
    }))
    defaultGroup = string
    services     = map(object({ port = number, healthPath = string }))
    paths        = list(object({ priority = number, service = string, patterns = list(string) }))
  })

  validation {
    condition     = alltrue([for rule in var.routing.steering : (rule.header == null) != (rule.cookie == null)])
    error_message = "A steering rule tests either a header or a cookie."
  }

  validation {
    condition     = alltrue([for rule in var.routing.steering : rule.priority >= 1 && rule.priority <= 20])
    error_message = "Priorities of steering rules are 1 to 20: each has two thousand rule numbers."
  }

  validation {
    condition     = alltrue([for rule in var.routing.paths : rule.priority >= 1 && rule.priority <= 99])
    error_message = "Priorities of path rules are 1 to 99: each has ten rule numbers."
  }

  validation {
    condition = alltrue(flatten([
      for rule in var.routing.paths : [
        for pattern in rule.patterns : length(regexall("[*?]", pattern)) <= 2 && length(pattern) <= 128
      ]
    ]))
    error_message = "A pattern has two wildcards at most: three of a rule's five are the cookie's."
  }

  validation {
    condition     = alltrue([for rule in var.routing.paths : length(rule.patterns) <= 10])
    error_message = "A path rule has ten patterns at most: so many rule numbers it has."
  }
}

variable "services" {
  description = "terraform/services.json: the secrets and files of each service; of the optional secrets it gets those that secret_arns has."
  type = map(object({
    secrets          = set(string)
    optional_secrets = set(string)
    objects          = list(object({ bucket = string, prefix = string, actions = list(string) }))
    invalidates_cdn  = bool
    scale_on         = string
  }))

  validation {
    condition = alltrue(flatten([
      for service in var.services : [
        for grant in service.objects : [
          for action in grant.actions :
          contains([
            "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts",
          ], action) && can(regex("^[a-z/-]+/$", grant.prefix))
        ]
      ]
    ]))
    error_message = "Files are granted by single actions below a prefix that ends in a slash."
  }

  validation {
    condition     = alltrue([for service in var.services : contains(["load", "queue"], service.scale_on)])
    error_message = "Copies are scaled on load or on queue."
  }
}

variable "beta_services" {
  description = "Services that also run on Fargate, with size and number of copies; empty for none."
  type = map(object({
    cpu        = number
    memory_mib = number
    min_count  = number
    max_count  = number
  }))

  validation {
    condition     = alltrue([for size in var.beta_services : size.min_count >= 1 && size.max_count >= size.min_count])
    error_message = "At least one copy, and a maximum that is not below the minimum."
  }

  validation {
    condition     = alltrue([for size in var.beta_services : size.memory_mib >= 2 * size.cpu && size.memory_mib <= 8 * size.cpu])
    error_message = "Fargate gives 2 to 8 MiB of memory for each of the CPU's 1024 units."
  }
}

variable "stable" {
  description = "The EC2 group that runs every service with Compose: machine, number, disk."
  type        = object({ instance_type = string, instances = number, disk_gib = number })

  validation {
    condition     = var.stable.instances >= 1 && var.stable.disk_gib >= 30
    error_message = "At least one machine with a disk of 30 GiB."
  }
}

variable "images" {
  description = "Where the images are, without the service's name, and the tag to run: a commit."
  type        = object({ registry = string, tag = string })

  validation {
    condition     = can(regex("^[0-9]{12}\\.dkr\\.ecr\\.[a-z0-9-]+\\.amazonaws\\.com/[a-z0-9-]+$", var.images.registry))
    error_message = "An ECR registry and a prefix, such as 123456789012.dkr.ecr.us-east-2.amazonaws.com/funmagic."
  }

  validation {
    condition     = can(regex("^[0-9a-f]{7,40}$", var.images.tag))
    error_message = "The tag is a commit: latest cannot be rolled back to."
  }
}

variable "environment" {
  description = "Environment variables that every service gets; nothing secret."
  type        = map(string)
}

variable "secret_arns" {
  description = "Secrets by the environment variable that they fill."
  type        = map(string)
}

variable "bucket_arns" {
  description = "Buckets by role: public, private, admin."
  type        = map(string)
}

variable "public_distribution_arn" {
  description = "The distribution whose cache a service may invalidate."
  type        = string
}

variable "grafana" {
  description = "Where Alloy on the EC2 machines sends logs and metrics, and its configuration; null for no Alloy."
  type = object({
    loki_url            = string
    loki_username       = string
    prometheus_url      = string
    prometheus_username = string
    configuration       = string
  })

  validation {
    condition     = var.grafana == null ? true : alltrue([for url in [var.grafana.loki_url, var.grafana.prometheus_url] : startswith(url, "https://")])
    error_message = "Logs and metrics leave by https:// only."
  }
}

variable "log_bucket" {
  description = "Name of the bucket for access logs."
  type        = string
}

variable "certificate_arn" {
  description = "Certificate of the host name under which CloudFront reaches the load balancer."
  type        = string
}

variable "log_retention_days" {
  description = "How long the logs of the services are kept."
  type        = number

  validation {
    condition     = contains([30, 60, 90, 180, 365], var.log_retention_days)
    error_message = "30, 60, 90, 180 or 365 days."
  }
}
