// CloudFront Function (cloudfront-js-2.0) on viewer requests for the web client: a path without a dot
// is the address of a page, and every page is index.html.

// CloudFront calls the function by this name.
// oxlint-disable-next-line no-unused-vars
function handler(event) {
  const request = event.request
  if (!request.uri.includes('.')) request.uri = '/index.html'
  return request
}
