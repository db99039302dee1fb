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
  description = "What an installation can do without: a Grafana, a second load balancer, an import of existing rows."
  type = object({
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
