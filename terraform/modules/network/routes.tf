resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = "${var.name}-public" }
}

resource "aws_route" "public_internet" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "public" {
  for_each = local.zones

  subnet_id      = aws_subnet.public[each.key].id
  route_table_id = aws_route_table.public.id
}

resource "aws_route_table" "private" {
  for_each = local.zones

  vpc_id = aws_vpc.this.id
  tags   = { Name = "${var.name}-private-${each.key}" }
}

# A zone without a NAT gateway of its own leaves through the first one.
resource "aws_route" "private_internet" {
  for_each = local.zones

  route_table_id         = aws_route_table.private[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id = aws_nat_gateway.this[
    contains(local.nat_zones, each.key) ? each.key : var.availability_zones[0]
  ].id
}

resource "aws_route_table_association" "private" {
  for_each = local.zones

  subnet_id      = aws_subnet.private[each.key].id
  route_table_id = aws_route_table.private[each.key].id
}

# No route leaves this table: the databases are reached from inside the VPC and reach nothing.
resource "aws_route_table" "database" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = "${var.name}-database" }
}

resource "aws_route_table_association" "database" {
  for_each = local.zones

  subnet_id      = aws_subnet.database[each.key].id
  route_table_id = aws_route_table.database.id
}

# A second wall behind the security groups: only the private tier, only the two ports.
resource "aws_network_acl" "database" {
  vpc_id     = aws_vpc.this.id
  subnet_ids = [for subnet in aws_subnet.database : subnet.id]
  tags       = { Name = "${var.name}-database" }
}

resource "aws_network_acl_rule" "database_in" {
  for_each = {
    for pair in setproduct(keys(local.zones), [5432, 6379]) : "${pair[0]}-${pair[1]}" => {
      zone = pair[0], port = pair[1], number = 100 + local.zones[pair[0]] * 10 + (pair[1] == 5432 ? 0 : 1)
    }
  }

  network_acl_id = aws_network_acl.database.id
  rule_number    = each.value.number
  rule_action    = "allow"
  protocol       = "tcp"
  cidr_block     = aws_subnet.private[each.value.zone].cidr_block
  from_port      = each.value.port
  to_port        = each.value.port
}

# The copies of a database in other zones talk to each other within the tier.
resource "aws_network_acl_rule" "database_within" {
  for_each = {
    for pair in setproduct(keys(local.zones), [true, false]) : "${pair[0]}-${pair[1] ? "out" : "in"}" => {
      zone = pair[0], egress = pair[1]
    }
  }

  network_acl_id = aws_network_acl.database.id
  egress         = each.value.egress
  rule_number    = 200 + local.zones[each.value.zone]
  rule_action    = "allow"
  protocol       = "tcp"
  cidr_block     = aws_subnet.database[each.value.zone].cidr_block
  from_port      = 1024
  to_port        = 65535
}

resource "aws_network_acl_rule" "database_replies" {
  for_each = local.zones

  network_acl_id = aws_network_acl.database.id
  egress         = true
  rule_number    = 100 + each.value
  rule_action    = "allow"
  protocol       = "tcp"
  cidr_block     = aws_subnet.private[each.key].cidr_block
  from_port      = 1024
  to_port        = 65535
}
