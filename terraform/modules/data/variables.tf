variable "name" {
  description = "Prefix of every name, such as funmagic-production. Bucket names begin with it."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,18}$", var.name))
    error_message = "The name is 3 to 19 lower-case letters, digits and hyphens."
  }
}

variable "subnet_ids" {
  description = "Subnets of the isolated tier, in two zones at least."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "RDS needs subnets in two zones."
  }
}

variable "security_group_ids" {
  description = "The groups of Postgres and of Redis."
  type        = object({ postgres = string, redis = string })
}

variable "database" {
  description = "The PostgreSQL instance: size, copies and protection."
  type = object({
    instance_class      = string
    multi_az            = bool
    storage_gib         = number
    storage_max_gib     = number
    replicas            = number
    deletion_protection = bool
  })

  validation {
    condition     = var.database.storage_gib >= 20 && var.database.storage_max_gib > var.database.storage_gib
    error_message = "Storage begins at 20 GiB and must have room to grow."
  }

  validation {
    condition     = var.database.replicas >= 0 && var.database.replicas <= 5
    error_message = "At most five read replicas."
  }
}

variable "queue" {
  description = "The Redis of the queue: node type and nodes. Two nodes fail over by themselves."
  type        = object({ node_type = string, nodes = number })

  validation {
    condition     = var.queue.nodes >= 1 && var.queue.nodes <= 6
    error_message = "One to six nodes."
  }
}

variable "cache" {
  description = "The Redis of sessions, rate limits and progress streams: node type and nodes."
  type        = object({ node_type = string, nodes = number })

  validation {
    condition     = var.cache.nodes >= 1 && var.cache.nodes <= 6
    error_message = "One to six nodes."
  }
}

variable "upload_origins" {
  description = "Origins of the web clients, whose browsers send files straight to the private bucket."
  type        = list(string)

  validation {
    condition     = alltrue([for origin in var.upload_origins : startswith(origin, "https://") && !strcontains(origin, "*")])
    error_message = "Each origin is https:// and a host without wildcards."
  }
}

variable "replica_region" {
  description = "Region that holds a copy of every bucket; empty for none."
  type        = string

  validation {
    condition     = var.replica_region == "" || can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.replica_region))
    error_message = "A region such as us-west-2, or empty."
  }
}

variable "provided_secrets" {
  description = "Environment variables whose secret values people put in, not Terraform."
  type        = set(string)
}

variable "log_retention_days" {
  description = "How long the logs of Postgres and Redis are kept."
  type        = number
}
