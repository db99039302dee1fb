# A copy of every bucket in another region, where tfvars ask for it. Deletions are copied as markers,
# so a deleted file is gone for readers there too and can be recovered for 30 days.

locals {
  replicated = var.replica_region == "" ? toset([]) : local.buckets
}

resource "aws_s3_bucket" "replica" {
  for_each = local.replicated

  bucket        = "${var.name}-${each.key}-replica"
  region        = var.replica_region
  force_destroy = false

  lifecycle {
    # The last copy when a region is lost.
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "replica" {
  for_each = local.replicated

  bucket                  = aws_s3_bucket.replica[each.key].id
  region                  = var.replica_region
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "replica" {
  for_each = local.replicated

  bucket = aws_s3_bucket.replica[each.key].id
  region = var.replica_region

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "replica" {
  for_each = local.replicated

  bucket = aws_s3_bucket.replica[each.key].id
  region = var.replica_region

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "replica" {
  for_each = local.replicated

  bucket = aws_s3_bucket.replica[each.key].id
  region = var.replica_region

  rule {
    id     = "noncurrent"
    status = "Enabled"
    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 30
    }
  }

  depends_on = [aws_s3_bucket_versioning.replica]
}

resource "aws_s3_bucket_policy" "replica" {
  for_each = local.replicated

  bucket = aws_s3_bucket.replica[each.key].id
  region = var.replica_region

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.replica[each.key].arn, "${aws_s3_bucket.replica[each.key].arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_s3_bucket_replication_configuration" "this" {
  for_each = local.replicated

  bucket = aws_s3_bucket.this[each.key].id
  role   = aws_iam_role.replication[each.key].arn

  rule {
    id     = "all"
    status = "Enabled"
    filter {}

    delete_marker_replication {
      status = "Enabled"
    }

    destination {
      bucket        = aws_s3_bucket.replica[each.key].arn
      storage_class = "GLACIER_IR"
    }
  }

  depends_on = [aws_s3_bucket_versioning.this, aws_s3_bucket_versioning.replica]
}

resource "aws_iam_role" "replication" {
  for_each = local.replicated

  name = "${var.name}-replicate-${each.key}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "s3.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "replication" {
  for_each = local.replicated

  name = "replicate"
  role = aws_iam_role.replication[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["s3:GetReplicationConfiguration", "s3:ListBucket"]
        Resource = aws_s3_bucket.this[each.key].arn
      },
      {
        Effect   = "Allow"
        Action   = ["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"]
        Resource = "${aws_s3_bucket.this[each.key].arn}/*"
      },
      {
        Effect   = "Allow"
        Action   = ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"]
        Resource = "${aws_s3_bucket.replica[each.key].arn}/*"
      },
    ]
  })
}
