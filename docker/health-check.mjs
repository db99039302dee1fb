// Ends with 0 when the service on PORT says that it is well. Compose and Docker run it.
import { get } from 'node:http'

const request = get(`http://127.0.0.1:${process.env.PORT}/health`, { timeout: 3000 }, response =>
  process.exit(response.statusCode === 200 ? 0 : 1),
)
request.on('timeout', () => process.exit(1))
request.on('error', () => process.exit(1))
