# What nobody asks for becomes cheaper, and what was never finished goes (A13, properties P14 and
# P30). Classes that need a restore before a read are left out: a signed link must work at once.

resource "aws_s3_bucket_lifecycle_configuration" "public" {
  bucket = aws_s3_bucket.this["public"].id

  rule {
    id     = "unfinished-uploads"
    status = "Enabled"
    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }

    noncurrent_version_expiration {
      noncurrent_days = 30
    }
  }

  # Shared works are read as the world likes; S3 moves each by what is really read.
  rule {
    id     = "by-access"
    status = "Enabled"

    filter {
      prefix = "public/"
    }

    transition {
      days          = 30
      storage_class = "INTELLIGENT_TIERING"
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_lifecycle_configuration" "private" {
  bucket = aws_s3_bucket.this["private"].id

  rule {
    id     = "unfinished-uploads"
    status = "Enabled"
    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }

    noncurrent_version_expiration {
      noncurrent_days = 30
    }
  }

  # A checked upload was copied out within minutes; what stays was refused or given up.
  rule {
    id     = "quarantine"
    status = "Enabled"

    filter {
      prefix = "quarantine/"
    }

    expiration {
      days = 1
    }

    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }

  rule {
    id     = "tiering"
    status = "Enabled"

    filter {
      prefix = "private/"
    }

    transition {
      days          = 30
      storage_class = "STANDARD_IA"
    }

    transition {
      days          = 90
      storage_class = "GLACIER_IR"
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_lifecycle_configuration" "admin" {
  bucket = aws_s3_bucket.this["admin"].id

  rule {
    id     = "unfinished-uploads"
    status = "Enabled"
    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }

    # Evidence of an audit is kept a year after somebody replaced or deleted it.
    noncurrent_version_expiration {
      noncurrent_days = 365
    }
  }

  rule {
    id     = "tiering"
    status = "Enabled"

    filter {
      prefix = "internal/"
    }

    transition {
      days          = 30
      storage_class = "STANDARD_IA"
    }

    transition {
      days          = 90
      storage_class = "GLACIER_IR"
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}
