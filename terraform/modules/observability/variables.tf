variable "name" {
  description = "Prefix of every name, and the namespace of the services' own metrics."
  type        = string
}

variable "alert_emails" {
  description = "Who is told. Each address must confirm the subscription that Amazon mails it."
  type        = set(string)

  validation {
    condition     = length(var.alert_emails) >= 1 && alltrue([for address in var.alert_emails : strcontains(address, "@")])
    error_message = "At least one address: an alarm that nobody hears is none."
  }
}

variable "daily_cost_limit_usd" {
  description = "What a day may cost before somebody is told."
  type        = number

  validation {
    condition     = var.daily_cost_limit_usd > 0
    error_message = "More than nothing."
  }
}

variable "api_host" {
  description = "Host name whose health is asked from outside."
  type        = string
}

variable "load_balancer_arn_suffix" {
  description = "The load balancer, as CloudWatch's metrics name it."
  type        = string
}

variable "target_group_arn_suffixes" {
  description = "Target groups by service and group (asset/stable), as CloudWatch's metrics name them."
  type        = map(string)
}

variable "services" {
  description = "Names of all services, with a path or without one."
  type        = set(string)
}

variable "fargate_services" {
  description = "Fewest copies of the services that run on Fargate."
  type        = map(number)
}

variable "cluster_name" {
  description = "The ECS cluster."
  type        = string
}

variable "log_group_names" {
  description = "Log groups by service."
  type        = map(string)
}

variable "postgres_identifier" {
  description = "The database, as CloudWatch's metrics name it."
  type        = string
}

variable "redis_cluster_ids" {
  description = "The nodes of the queue and the cache, as CloudWatch's metrics name them."
  type        = object({ queue = string, cache = string })
}

variable "distribution_ids" {
  description = "The distributions by what they serve: app, public, private."
  type        = object({ app = string, public = string, private = string })
}
