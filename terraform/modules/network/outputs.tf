output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "public_subnet_ids" {
  description = "Subnets of the load balancer, one for each zone."
  value       = [for subnet in aws_subnet.public : subnet.id]
}

output "public_subnet_cidrs" {
  description = "Where the load balancer's connections come from."
  value       = [for subnet in aws_subnet.public : subnet.cidr_block]
}

output "private_subnet_ids" {
  description = "Subnets of the services, one for each zone."
  value       = [for subnet in aws_subnet.private : subnet.id]
}

output "database_subnet_ids" {
  description = "Subnets of Postgres and Redis, one for each zone."
  value       = [for subnet in aws_subnet.database : subnet.id]
}

output "security_group_ids" {
  description = "The groups by what is in them: load_balancer, services, postgres, redis."
  value = {
    load_balancer = aws_security_group.load_balancer.id
    services      = aws_security_group.services.id
    postgres      = aws_security_group.store["postgres"].id
    redis         = aws_security_group.store["redis"].id
  }
}
