variable "environment" {
  description = "dev, staging or production; part of every name."
  type        = string

  validation {
    condition     = contains(["dev", "staging", "production"], var.environment)
    error_message = "dev, staging or production."
  }
}

variable "network" {
  description = "Addresses and zones; see modules/network."
  type = object({
    cidr                = string
    availability_zones  = list(string)
    nat_gateways        = number
    interface_endpoints = set(string)
  })
}

variable "database" {
  description = "The PostgreSQL instance; see modules/data."
  type = object({
    instance_class      = string
    multi_az            = bool
    storage_gib         = number
    storage_max_gib     = number
    replicas            = number
    deletion_protection = bool
  })
}

variable "queue" {
  description = "The Redis of the queue; see modules/data."
  type        = object({ node_type = string, nodes = number })
}

variable "cache" {
  description = "The Redis of sessions, limits and streams; see modules/data."
  type        = object({ node_type = string, nodes = number })
}

variable "replica_region" {
  description = "Region that holds a copy of every bucket; empty for none."
  type        = string
}

variable "images" {
  description = "Where the images are and which commit runs; deployments pass the tag."
  type        = object({ registry = string, tag = string })
}

variable "stable" {
  description = "The EC2 group; see modules/compute."
  type        = object({ instance_type = string, instances = number, disk_gib = number })
}

variable "beta_services" {
  description = "The ECS switch: services that also run on Fargate; {} for none."
  type = map(object({
    cpu        = number
    memory_mib = number
    min_count  = number
    max_count  = number
  }))
}

variable "edge" {
  description = "Domain, keys and firewall; see modules/edge."
  type = object({
    domain                    = string
    cloudflare_zone_id        = string
    signing_keys              = map(string)
    active_signing_key        = string
    requests_per_five_minutes = number
    price_class               = string
  })
}

variable "alerts" {
  description = "Who is told, and what a day may cost."
  type        = object({ emails = set(string), daily_cost_limit_usd = number })
}

variable "extras" {
  description = "What an installation can do without, or has for a time only."
  type = object({
    # Secrets that the services can do without, such as STRIPE_SECRET_KEY; people put in their values.
    secrets = optional(set(string), [])

    # Settings of .env.example whose default does not suit; nothing secret.
    settings = optional(map(string), {})

    # A rotation of the signing key: its name in edge.signing_keys, and the moment from which it signs.
    next_signing_key = optional(object({ name = string, from = string }))

    # For the logs and metrics of the EC2 machines, besides CloudWatch.
    grafana = optional(object({ loki_url = string, loki_username = string, prometheus_url = string, prometheus_username = string }))

    # Other load balancers that can serve the domain, and how one is chosen.
    failover = optional(object({
      policy     = string
      own_weight = number
      others = map(object({
        dns_name   = string
        region     = string
        alarm_name = string
        is_standby = optional(bool, false)
        weight     = optional(number, 100)
      }))
    }))

    # An existing database whose rows are moved into ours, and the machine that does it.
    import_from = optional(object({ database = string, instance_class = string }))
  })
  default = {}

  validation {
    condition = length(setsubtract(
      var.extras.secrets,
      flatten([for service in local.services : setsubtract(service.optional_secrets, ["CLOUDFRONT_NEXT_PRIVATE_KEY"])]),
    )) == 0
    error_message = "Each secret is one of the optional_secrets in services.json; the next signing key comes with next_signing_key."
  }

  validation {
    condition     = contains(var.extras.secrets, "STRIPE_SECRET_KEY") == contains(var.extras.secrets, "STRIPE_WEBHOOK_SECRET")
    error_message = "STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET go together: money would be taken and never credited."
  }

  validation {
    condition = length(setintersection(
      keys(var.extras.settings),
      flatten([for service in local.services : setunion(service.secrets, service.optional_secrets)]),
    )) == 0
    error_message = "A secret is no setting: name it in secrets."
  }

  validation {
    condition = var.extras.next_signing_key == null ? true : (
      contains(keys(var.edge.signing_keys), var.extras.next_signing_key.name) &&
      var.extras.next_signing_key.name != var.edge.active_signing_key &&
      can(formatdate("YYYY", var.extras.next_signing_key.from))
    )
    error_message = "The next key is another one of edge.signing_keys, from a moment such as 2026-12-01T00:00:00Z."
  }
}

variable "log_level" {
  description = "Least level that the services log."
  type        = string

  validation {
    condition     = contains(["trace", "debug", "info", "warn", "error"], var.log_level)
    error_message = "trace, debug, info, warn or error."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
}

variable "rate_limit_profile" {
  description = "Rate limits as they are stored (production), or a thousandfold (development)."
  type        = string

  validation {
    condition     = contains(["production", "development"], var.rate_limit_profile)
    error_message = "production or development."
  }
}
