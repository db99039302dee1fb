output "task_arn" {
  description = "The task that people start once both secrets are filled."
  value       = aws_dms_replication_task.this.replication_task_arn
}
