output "no_healthy_target_alarms" {
  description = "Alarms of target groups without a healthy copy, by group and service."
  value       = { for key, alarm in aws_cloudwatch_metric_alarm.no_healthy_target : key => alarm.alarm_name }
}

output "alerts_topic_arn" {
  description = "Where alarms are told."
  value       = aws_sns_topic.alerts.arn
}

output "alarm_names" {
  description = "Every alarm, for the runbook and for deployments that stop on one."
  value = sort(concat(
    [
      aws_cloudwatch_metric_alarm.error_rate.alarm_name,
      aws_cloudwatch_metric_alarm.endpoint_down.alarm_name,
      aws_cloudwatch_metric_alarm.queue_silent.alarm_name,
    ],
    [for alarm in aws_cloudwatch_metric_alarm.service_errors : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.no_healthy_target : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.too_few_copies : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.queue : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.errors_logged : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.store : alarm.alarm_name],
  ))
}
