/** An error in the words of Stripe. */
export class StripeRefusal extends Error {
  readonly status: number
  readonly body: { readonly error: Readonly<Record<string, string>> }

  constructor(status: number, error: Readonly<Record<string, string>>) {
    super(error['message'] ?? 'refused')
    this.status = status
    this.body = { error }
  }
}

export function missing(noun: string, id: string): StripeRefusal {
  return new StripeRefusal(404, {
    type: 'invalid_request_error',
    code: 'resource_missing',
    param: 'id',
    message: `No such ${noun}: '${id}'`,
  })
}

export function invalid(param: string, message: string): StripeRefusal {
  return new StripeRefusal(400, {
    type: 'invalid_request_error',
    code: 'parameter_invalid',
    param,
    message,
  })
}
