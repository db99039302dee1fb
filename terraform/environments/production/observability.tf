module "observability" {
  source    = "../../modules/observability"
  providers = { aws = aws, aws.us_east_1 = aws.us_east_1 }

  name                      = local.name
  alert_emails              = var.alerts.emails
  daily_cost_limit_usd      = var.alerts.daily_cost_limit_usd
  api_host                  = module.edge.hosts["api"]
  load_balancer_arn_suffix  = module.compute.load_balancer_arn_suffix
  target_group_arn_suffixes = module.compute.target_group_arn_suffixes
  services                  = keys(local.services)
  fargate_services          = { for service, size in var.beta_services : service => size.min_count }
  cluster_name              = module.compute.cluster_name
  log_group_names           = module.compute.log_group_names
  postgres_identifier       = module.data.postgres_identifier
  redis_cluster_ids         = module.data.redis_cluster_ids
  distribution_ids          = { for role, distribution in module.edge.distributions : role => distribution.id }
}
