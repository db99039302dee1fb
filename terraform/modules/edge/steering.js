// CloudFront Function (cloudfront-js-2.0) on every viewer request to the app distribution. A load
// balancer compares header values without regard to case and knows no cookies; here both are exact.
//
// With a `secret` in the key-value store, a value counts only when it is `<expiry>.<signature>`: the
// Unix second up to which it is valid, and the hexadecimal HMAC-SHA256 of `<name>=<expiry>`. It is
// then rewritten to the `true` that the listener rules know; everything else is taken off (TR10).
import cf from 'cloudfront'
import crypto from 'crypto'

const headerName = 'x-dev-mode'
const cookieName = 'x-beta-access'

// CloudFront calls the function by this name.
// oxlint-disable-next-line no-unused-vars
async function handler(event) {
  const request = event.request
  const secret = await readSecret()
  const isDeveloper = valuesOf(request.headers[headerName]).some(value =>
    secret === undefined ? value.toLowerCase() === 'true' : isSigned(headerName, value, secret),
  )
  const isBetaTester = valuesOf(request.cookies[cookieName]).some(value =>
    secret === undefined ? value === 'true' : isSigned(cookieName, value, secret),
  )

  delete request.headers[headerName]
  for (const name of Object.keys(request.cookies)) {
    if (name.toLowerCase() === cookieName) delete request.cookies[name]
  }
  if (isDeveloper) request.headers[headerName] = { value: 'true' }
  if (isBetaTester) request.cookies[cookieName] = { value: 'true' }
  return request
}

async function readSecret() {
  const store = cf.kvs()
  return (await store.exists('secret')) ? store.get('secret') : undefined
}

// A name that comes more than once has all its values in multiValue.
function valuesOf(field) {
  if (field === undefined) return []
  return field.multiValue === undefined ? [field.value] : field.multiValue.map(one => one.value)
}

function isSigned(name, value, secret) {
  const parts = /^([0-9]{1,12})\.([0-9a-f]{64})$/.exec(value)
  if (parts === null || Number(parts[1]) < Date.now() / 1000) return false
  const expected = crypto.createHmac('sha256', secret).update(`${name}=${parts[1]}`).digest('hex')
  return parts[2] === expected
}
