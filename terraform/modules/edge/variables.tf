variable "name" {
  description = "Prefix of every name, such as funmagic-production."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,18}$", var.name))
    error_message = "The name is 3 to 19 lower-case letters, digits and hyphens."
  }
}

variable "domain" {
  description = "Where everything is: the app at the domain itself, api., admin., cdn. and private-cdn. below."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9-]+\\.)+[a-z]{2,}$", var.domain))
    error_message = "A host name such as funmagic.ai or staging.funmagic.ai."
  }
}

variable "cloudflare_zone_id" {
  description = "The zone that holds the domain."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{32}$", var.cloudflare_zone_id))
    error_message = "32 hexadecimal digits."
  }
}

variable "load_balancer_dns_name" {
  description = "The load balancer behind the app distribution."
  type        = string
}

variable "origin_token" {
  description = "What tells the load balancer that a request came through our distribution."
  type        = string
  sensitive   = true
}

variable "buckets" {
  description = "The buckets by role: public, private, admin."
  type        = map(object({ name = string, arn = string, domain_name = string }))

  validation {
    condition     = toset(keys(var.buckets)) == toset(["public", "private", "admin"])
    error_message = "The buckets public, private and admin."
  }
}

variable "log_bucket_arn" {
  description = "The bucket for access logs."
  type        = string
}

variable "origin_shield_region" {
  description = "Region next to the buckets, whose cache all edges share."
  type        = string
}

variable "signing_keys" {
  description = "Public keys (PEM) that private URLs may be signed with, by name; two at least for rotation."
  type        = map(string)

  validation {
    condition     = length(var.signing_keys) >= 2 && length(var.signing_keys) <= 5
    error_message = "Two to five keys: the one in use, and the one before or after it."
  }

  validation {
    condition     = alltrue([for key in var.signing_keys : startswith(key, "-----BEGIN PUBLIC KEY-----")])
    error_message = "Each key is a public key in PEM form."
  }
}

variable "active_signing_key" {
  description = "Name of the key whose private half is in CLOUDFRONT_PRIVATE_KEY."
  type        = string

  validation {
    condition     = contains(keys(var.signing_keys), var.active_signing_key)
    error_message = "One of the names in signing_keys."
  }
}

variable "requests_per_five_minutes" {
  description = "Requests of one address to the app in five minutes, above which the firewall refuses."
  type        = number

  validation {
    condition     = var.requests_per_five_minutes >= 100
    error_message = "WAF counts from 100 on."
  }
}

variable "price_class" {
  description = "Which edge locations serve: PriceClass_100, PriceClass_200 or PriceClass_All."
  type        = string

  validation {
    condition     = contains(["PriceClass_100", "PriceClass_200", "PriceClass_All"], var.price_class)
    error_message = "PriceClass_100, PriceClass_200 or PriceClass_All."
  }
}
