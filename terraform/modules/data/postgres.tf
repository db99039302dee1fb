# The only truth of the platform: encrypted, not public, restorable to any second of 30 days (I6).

resource "aws_db_subnet_group" "postgres" {
  name       = "${var.name}-postgres"
  subnet_ids = var.subnet_ids
}

resource "aws_db_parameter_group" "postgres" {
  name_prefix = "${var.name}-postgres17-"
  family      = "postgres17"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  parameter {
    name  = "log_min_duration_statement"
    value = "1000"
  }

  # A transaction that waits for a client holds locks; ours are a few statements long.
  parameter {
    name  = "idle_in_transaction_session_timeout"
    value = "30000"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "random_password" "postgres" {
  length  = 40
  special = false
}

resource "aws_db_instance" "postgres" {
  identifier     = "${var.name}-postgres"
  engine         = "postgres"
  engine_version = "17"
  instance_class = var.database.instance_class
  db_name        = "funmagic"
  username       = "funmagic"
  password       = random_password.postgres.result

  multi_az               = var.database.multi_az
  db_subnet_group_name   = aws_db_subnet_group.postgres.name
  vpc_security_group_ids = [var.security_group_ids.postgres]
  publicly_accessible    = false
  parameter_group_name   = aws_db_parameter_group.postgres.name

  storage_type          = "gp3"
  storage_encrypted     = true
  allocated_storage     = var.database.storage_gib
  max_allocated_storage = var.database.storage_max_gib

  # Automated backups are what point-in-time recovery restores from.
  backup_retention_period   = 30
  backup_window             = "07:00-08:00"
  maintenance_window        = "sun:08:30-sun:09:30"
  copy_tags_to_snapshot     = true
  delete_automated_backups  = false
  skip_final_snapshot       = false
  final_snapshot_identifier = "${var.name}-postgres-final"
  deletion_protection       = var.database.deletion_protection

  auto_minor_version_upgrade      = true
  performance_insights_enabled    = true
  monitoring_interval             = 60
  monitoring_role_arn             = aws_iam_role.postgres_monitoring.arn
  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]

  depends_on = [aws_cloudwatch_log_group.postgres]

  lifecycle {
    # Every credit, task and asset is in here. Who really means it removes this line first.
    prevent_destroy = true
    # Storage grows by itself; a plan must not try to shrink it.
    ignore_changes = [allocated_storage]
  }
}

# For analytics and reports; the services read and write the primary.
resource "aws_db_instance" "replica" {
  count = var.database.replicas

  identifier             = "${var.name}-postgres-replica-${count.index}"
  replicate_source_db    = aws_db_instance.postgres.identifier
  instance_class         = var.database.instance_class
  vpc_security_group_ids = [var.security_group_ids.postgres]
  publicly_accessible    = false
  parameter_group_name   = aws_db_parameter_group.postgres.name
  storage_encrypted      = true
  skip_final_snapshot    = true

  performance_insights_enabled = true
  monitoring_interval          = 60
  monitoring_role_arn          = aws_iam_role.postgres_monitoring.arn
}

# RDS would make the group by itself, without a retention.
resource "aws_cloudwatch_log_group" "postgres" {
  for_each = toset(["postgresql", "upgrade"])

  name              = "/aws/rds/instance/${var.name}-postgres/${each.key}"
  retention_in_days = var.log_retention_days
}

resource "aws_iam_role" "postgres_monitoring" {
  name = "${var.name}-postgres-monitoring"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "monitoring.rds.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "postgres_monitoring" {
  role       = aws_iam_role.postgres_monitoring.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}
