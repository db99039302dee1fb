mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { region = "us-east-2" }
  }
}

mock_provider "random" {}

variables {
  routing  = jsondecode(file("../../../services/routing.json"))
  services = jsondecode(file("../../services.json"))
}

run "least_privilege" {
  command = apply

  assert {
    condition = alltrue(flatten([
      for policy in concat(
        values(aws_iam_role_policy.execution), values(aws_iam_role_policy.task), values(aws_iam_role_policy.stable_files),
        [aws_iam_role_policy.stable, aws_iam_role_policy.migrate],
        ) : [
        for statement in jsondecode(policy.policy).Statement :
        [for action in flatten([statement.Action]) : !strcontains(action, "*")]
      ]
    ]))
    error_message = "no role has an action with a wildcard"
  }

  assert {
    condition = alltrue(flatten([
      for policy in concat(
        values(aws_iam_role_policy.execution), values(aws_iam_role_policy.task), values(aws_iam_role_policy.stable_files),
        [aws_iam_role_policy.stable, aws_iam_role_policy.migrate],
        ) : [
        for statement in jsondecode(policy.policy).Statement :
        !contains(flatten([statement.Resource]), "*") || contains(["SignInToRegistry", "SendTraces"], statement.Sid)
      ]
    ]))
    error_message = "only what AWS cannot narrow (registry sign-in, X-Ray) is allowed on every resource"
  }

  assert {
    condition = alltrue([
      for service in ["auth", "credit", "progress", "task-gateway"] : alltrue([
        for statement in jsondecode(aws_iam_role_policy.task[service].policy).Statement :
        alltrue([for action in statement.Action : !startswith(action, "s3:") && !startswith(action, "cloudfront:")])
      ])
    ])
    error_message = "services without files touch no bucket and no distribution"
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.task["provider-worker"].policy).Statement :
      statement.Resource => join(" ", statement.Action) if startswith(statement.Sid, "Files")
      } == {
      "arn:aws:s3:::funmagic-test-public/public/*"   = "s3:GetObject"
      "arn:aws:s3:::funmagic-test-private/private/*" = "s3:DeleteObject s3:GetObject s3:PutObject"
    }
    error_message = "the worker reads inputs, keeps outputs private, and touches nothing of the admins"
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.task["asset"].policy).Statement :
      statement.Resource => join(" ", [for action in statement.Action : trimprefix(action, "s3:")])
      if startswith(statement.Sid, "Files") || startswith(statement.Sid, "List")
      } == {
      "arn:aws:s3:::funmagic-test-private/quarantine/*"   = "AbortMultipartUpload DeleteObject GetObject ListMultipartUploadParts PutObject"
      "arn:aws:s3:::funmagic-test-private/private/*"      = "DeleteObject GetObject PutObject"
      "arn:aws:s3:::funmagic-test-public/public/*"        = "DeleteObject GetObject PutObject"
      "arn:aws:s3:::funmagic-test-admin/internal/admin/*" = "DeleteObject GetObject PutObject"
      "arn:aws:s3:::funmagic-test-private"                = "ListBucket ListBucketMultipartUploads"
      "arn:aws:s3:::funmagic-test-public"                 = "ListBucket"
      "arn:aws:s3:::funmagic-test-admin"                  = "ListBucket"
    }
    error_message = "the asset service ends uploads in parts in quarantine and nowhere else"
  }

  assert {
    condition = anytrue([
      for statement in jsondecode(aws_iam_role_policy.task["asset"].policy).Statement :
      statement.Action == ["cloudfront:CreateInvalidation"] && statement.Resource == var.public_distribution_arn
    ])
    error_message = "the asset service may make the public distribution forget, and no other one"
  }

  assert {
    condition = alltrue([
      for service, policy in aws_iam_role_policy.execution : alltrue([
        for statement in jsondecode(policy.policy).Statement : toset(statement.Resource) == toset([
          for name in setunion(
            var.services[service].secrets, ["METRICS_AUTH_TOKEN"], service == "provider-worker" ? ["SECRET_KEY_PREVIOUS"] : [],
          ) : var.secret_arns[name]
        ]) if statement.Sid == "ReadSecrets"
      ])
    ])
    error_message = "each service's start reads its own secrets"
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.migrate.policy).Statement[2].Resource == [
      var.secret_arns["DATABASE_URL"]
    ]
    error_message = "a migration reads the address of the database and no other secret"
  }
}

run "any_action_with_a_wildcard_is_refused" {
  command = plan

  variables {
    services = merge(jsondecode(file("../../services.json")), {
      asset = {
        secrets          = []
        optional_secrets = []
        objects          = [{ bucket = "private", prefix = "private/", actions = ["s3:*"] }]
        invalidates_cdn  = false
        scale_on         = "load"
      }
    })
  }

  expect_failures = [var.services]
}
