variable "name" {
  description = "Prefix of every name, such as funmagic-production."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets that reach both databases, in two zones at least."
  type        = list(string)
}

variable "security_group_id" {
  description = "A group that our Postgres lets in."
  type        = string
}

variable "source_database" {
  description = "Name of the database that the rows come from."
  type        = string
}

variable "instance_class" {
  description = "Machine that moves the rows."
  type        = string

  validation {
    condition     = startswith(var.instance_class, "dms.")
    error_message = "A class of DMS, such as dms.t3.medium."
  }
}
