# Rows of an existing PostgreSQL into ours, first all, then every change, until somebody cuts over
# (I8). The schema is made by our migrations before: DMS moves rows and no triggers or sequences.

resource "aws_dms_replication_subnet_group" "this" {
  replication_subnet_group_id          = "${var.name}-import"
  replication_subnet_group_description = "Where rows pass on their way into ${var.name}"
  subnet_ids                           = var.subnet_ids
}

resource "aws_dms_replication_instance" "this" {
  replication_instance_id     = "${var.name}-import"
  replication_instance_class  = var.instance_class
  allocated_storage           = 50
  publicly_accessible         = false
  multi_az                    = false
  auto_minor_version_upgrade  = true
  replication_subnet_group_id = aws_dms_replication_subnet_group.this.id
  vpc_security_group_ids      = [var.security_group_id]
}

# Addresses and passwords are in two secrets that people put in: {username, password, host, port}.
resource "aws_secretsmanager_secret" "endpoint" {
  for_each = local.endpoints

  name        = "${var.name}/import-${each.key}"
  description = "username, password, host and port of the ${each.key} of the import, as DMS reads them"
}

resource "aws_dms_endpoint" "this" {
  for_each = local.endpoints

  endpoint_id                     = "${var.name}-import-${each.key}"
  endpoint_type                   = each.key
  engine_name                     = "postgres"
  database_name                   = each.value
  ssl_mode                        = "require"
  secrets_manager_arn             = aws_secretsmanager_secret.endpoint[each.key].arn
  secrets_manager_access_role_arn = aws_iam_role.secrets.arn
}

resource "aws_dms_replication_task" "this" {
  replication_task_id      = "${var.name}-import"
  migration_type           = "full-load-and-cdc"
  replication_instance_arn = aws_dms_replication_instance.this.replication_instance_arn
  source_endpoint_arn      = aws_dms_endpoint.this["source"].endpoint_arn
  target_endpoint_arn      = aws_dms_endpoint.this["target"].endpoint_arn
  start_replication_task   = false

  table_mappings = jsonencode({
    rules = [
      {
        "rule-id"        = "1", "rule-name" = "all", "rule-type" = "selection", "rule-action" = "include"
        "object-locator" = { "schema-name" = "public", "table-name" = "%" }
      },
      {
        # What has been applied where is each database's own history.
        "rule-id"        = "2", "rule-name" = "no-migrations", "rule-type" = "selection", "rule-action" = "exclude"
        "object-locator" = { "schema-name" = "public", "table-name" = "_prisma_migrations" }
      },
    ]
  })

  # Tables stay as our migrations made them; every row is compared after it arrived; a row that
  # cannot be applied stops the task instead of being skipped.
  replication_task_settings = jsonencode({
    FullLoadSettings   = { TargetTablePrepMode = "DO_NOTHING", MaxFullLoadSubTasks = 8 }
    ValidationSettings = { EnableValidation = true, ThreadCount = 5 }
    Logging            = { EnableLogging = true }
    ErrorBehavior      = { DataErrorPolicy = "STOP_TASK", ApplyErrorDeletePolicy = "STOP_TASK", ApplyErrorInsertPolicy = "STOP_TASK", ApplyErrorUpdatePolicy = "STOP_TASK" }
  })

  lifecycle {
    # AWS adds what was not said, and would call that a change.
    ignore_changes = [replication_task_settings]
  }
}

locals {
  endpoints = { source = var.source_database, target = "funmagic" }
}
