variable "name" {
  description = "Prefix of every name, such as funmagic-production."
  type        = string
}

variable "domain" {
  description = "Where everything is; the zone is dns. below it."
  type        = string
}

variable "cloudflare_zone_id" {
  description = "The zone that holds the domain."
  type        = string
}

variable "policy" {
  description = "How one of several healthy load balancers is chosen: failover, weighted or latency."
  type        = string

  validation {
    condition     = contains(["failover", "weighted", "latency"], var.policy)
    error_message = "failover, weighted or latency."
  }
}

variable "targets" {
  description = "Load balancers that can serve the domain, and the alarm that says when one cannot."
  type = map(object({
    dns_name   = string
    region     = string
    alarm_name = string
    is_standby = optional(bool, false)
    weight     = optional(number, 100)
  }))

  validation {
    condition     = length(var.targets) >= 2
    error_message = "One load balancer alone needs no choice."
  }

  validation {
    condition = var.policy != "failover" || (
      length(var.targets) == 2 && length([for target in var.targets : target if target.is_standby]) == 1
    )
    error_message = "Failover is between one primary and one standby."
  }

  validation {
    condition     = var.policy != "latency" || length(distinct([for target in var.targets : target.region])) == length(var.targets)
    error_message = "By latency there is one load balancer for a region."
  }

  validation {
    condition     = alltrue([for target in var.targets : target.weight >= 0 && target.weight <= 255])
    error_message = "Weights are 0 to 255."
  }
}
