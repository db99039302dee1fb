output "hosts" {
  description = "Where the installation answers."
  value       = module.edge.hosts
}

output "distribution_ids" {
  description = "The CloudFront distributions by what they serve."
  value       = { for role, distribution in module.edge.distributions : role => distribution.id }
}

output "signing_key_ids" {
  description = "Ids of the keys that private URLs may be signed with, by name."
  value       = module.edge.signing_key_ids
}

output "migration_task" {
  description = "What a deployment runs before it rolls out."
  value       = module.compute.migration_task
}

output "alarm_names" {
  description = "Every alarm, for deployments that stop on one."
  value       = module.observability.alarm_names
}
