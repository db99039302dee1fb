mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
}

run "account" {
  command = apply

  assert {
    condition = alltrue([
      for repository in aws_ecr_repository.this :
      repository.image_tag_mutability == "IMMUTABLE" && repository.image_scanning_configuration[0].scan_on_push
    ])
    error_message = "a tag never changes, and every image is scanned"
  }

  assert {
    condition = alltrue([
      for role in aws_iam_role.github : alltrue([
        for statement in jsondecode(role.assume_role_policy).Statement :
        alltrue([
          for subject in statement.Condition.StringEquals["token.actions.githubusercontent.com:sub"] :
          !strcontains(subject, "*") && startswith(subject, "repo:${var.repository}:")
        ]) &&
        statement.Condition.StringEquals["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"
      ])
    ])
    error_message = "a role is taken by one repository's branch, pull request or environment, compared whole"
  }

  assert {
    condition = join(
      ",",
      jsondecode(aws_iam_role.github["deploy-production"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"]
    ) == "repo:${var.repository}:environment:production"
    error_message = "production is deployed only from its environment, behind its approval"
  }

  assert {
    condition = alltrue(flatten([
      for policy in concat([aws_iam_role_policy.build], values(aws_iam_role_policy.deploy)) : [
        for statement in jsondecode(policy.policy).Statement :
        [for action in flatten([statement.Action]) : !strcontains(action, "*")]
      ]
    ]))
    error_message = "no policy of ours has an action with a wildcard"
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_s3_bucket_policy.trail.policy).Statement :
      try(statement.Condition.StringEquals["AWS:SourceArn"], "") == local.trail_arn if statement.Effect == "Allow"
    ])
    error_message = "only our trail writes to its bucket"
  }

  assert {
    condition = (
      aws_s3_account_public_access_block.this.restrict_public_buckets && aws_s3_bucket_public_access_block.trail.block_public_policy &&
      aws_cloudtrail.this.is_multi_region_trail && aws_ebs_encryption_by_default.this.enabled
    )
    error_message = "the account blocks public buckets, encrypts disks and records every call"
  }
}
