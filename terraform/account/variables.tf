variable "repository" {
  description = "The GitHub repository whose workflows may act here: owner/name."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.repository))
    error_message = "owner/name, without wildcards."
  }
}

variable "state_bucket" {
  description = "The bucket with Terraform's states; see terraform/README.md."
  type        = string
}

variable "images" {
  description = "Names of the images that are built: the services, migrate and the web clients."
  type        = set(string)
}

variable "environments" {
  description = "GitHub environments that deploy to this account."
  type        = set(string)
}
