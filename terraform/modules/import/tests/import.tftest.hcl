mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { region = "us-east-2" }
  }

  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:us-east-2:123456789012:secret:import" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/import" }
  }

  mock_resource "aws_dms_endpoint" {
    defaults = { endpoint_arn = "arn:aws:dms:us-east-2:123456789012:endpoint:E" }
  }

  mock_resource "aws_dms_replication_instance" {
    defaults = { replication_instance_arn = "arn:aws:dms:us-east-2:123456789012:rep:R" }
  }
}

variables {
  name              = "funmagic-test"
  subnet_ids        = ["subnet-a", "subnet-b"]
  security_group_id = "sg-services"
  source_database   = "old"
  instance_class    = "dms.t3.medium"
}

run "import" {
  command = apply

  assert {
    condition     = !aws_dms_replication_instance.this.publicly_accessible
    error_message = "nobody outside reaches the machine"
  }

  assert {
    condition     = alltrue([for endpoint in aws_dms_endpoint.this : endpoint.ssl_mode == "require" && endpoint.secrets_manager_arn != ""])
    error_message = "rows travel encrypted, and passwords are in secrets"
  }

  assert {
    condition = (
      aws_dms_replication_task.this.migration_type == "full-load-and-cdc" && !aws_dms_replication_task.this.start_replication_task &&
      jsondecode(aws_dms_replication_task.this.replication_task_settings).ValidationSettings.EnableValidation &&
      jsondecode(aws_dms_replication_task.this.replication_task_settings).FullLoadSettings.TargetTablePrepMode == "DO_NOTHING"
    )
    error_message = "people start it, tables stay as they are, every row is compared, changes follow"
  }

  assert {
    condition     = alltrue([for action in flatten([for statement in jsondecode(aws_iam_role_policy.secrets.policy).Statement : statement.Action]) : !strcontains(action, "*")])
    error_message = "no role has an action with a wildcard"
  }
}
