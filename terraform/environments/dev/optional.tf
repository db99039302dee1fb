# Off unless tfvars say more: a second load balancer for the domain, and an import of existing rows.

module "failover" {
  source   = "../../modules/failover"
  for_each = var.extras.failover == null ? {} : { origin = var.extras.failover }

  name               = local.name
  domain             = var.edge.domain
  cloudflare_zone_id = var.edge.cloudflare_zone_id
  policy             = each.value.policy
  targets = merge(each.value.others, {
    own = {
      dns_name   = module.compute.load_balancer_dns_name
      region     = "us-east-2"
      alarm_name = module.observability.no_healthy_target_alarms["task-gateway/stable"]
      weight     = each.value.own_weight
    }
  })
}

module "import" {
  source   = "../../modules/import"
  for_each = var.extras.import_from == null ? {} : { database = var.extras.import_from }

  name              = local.name
  subnet_ids        = module.network.private_subnet_ids
  security_group_id = module.network.security_group_ids.services
  source_database   = each.value.database
  instance_class    = each.value.instance_class
}
