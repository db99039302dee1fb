output "registry" {
  description = "images.registry of the environments."
  value       = "${data.aws_caller_identity.current.account_id}.dkr.ecr.us-east-2.amazonaws.com/funmagic"
}

output "role_arns" {
  description = "Roles of the workflows: build, plan, deploy-<environment>."
  value       = { for name, role in aws_iam_role.github : name => role.arn }
}
