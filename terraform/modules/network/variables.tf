variable "name" {
  description = "Prefix of every name, such as funmagic-production."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,18}$", var.name))
    error_message = "The name is 3 to 19 lower-case letters, digits and hyphens."
  }
}

variable "cidr" {
  description = "Address range of the VPC; a /16 leaves room for sixteen /20 subnets."
  type        = string

  validation {
    condition     = can(cidrnetmask(var.cidr)) && tonumber(split("/", var.cidr)[1]) <= 20
    error_message = "The CIDR block must be IPv4 and /20 or larger."
  }
}

variable "availability_zones" {
  description = "Zones of the three tiers. RDS and the load balancer need two at least."
  type        = list(string)

  validation {
    condition     = length(var.availability_zones) >= 2 && length(var.availability_zones) <= 4
    error_message = "Two to four zones."
  }

  validation {
    condition     = length(distinct(var.availability_zones)) == length(var.availability_zones)
    error_message = "Every zone is named once."
  }
}

variable "nat_gateways" {
  description = "How many zones have a NAT gateway of their own; the others use the first one."
  type        = number

  validation {
    condition     = var.nat_gateways >= 1 && var.nat_gateways <= 4
    error_message = "One to four NAT gateways."
  }
}

variable "interface_endpoints" {
  description = "AWS services reached inside the VPC, such as ecr.api. Each costs by the hour and zone."
  type        = set(string)
}

variable "service_ports" {
  description = "Ports on which the load balancer reaches the services."
  type        = set(number)
}

variable "flow_log_retention_days" {
  description = "How long the records of the VPC's connections are kept."
  type        = number

  validation {
    condition     = contains([30, 60, 90, 180, 365], var.flow_log_retention_days)
    error_message = "30, 60, 90, 180 or 365 days."
  }
}
