/**
 * Who may call what: one row for every route of every service. `access.test.ts` fails for a route
 * without a row, and calls every cell with real sessions (reliability §5; Z2, Z3, S6).
 *
 * The column `suspended` is a session that a suspended user has opened since: it looks at, takes
 * away, deletes and cancels what is its own, and nothing else. Those from before answer as to a
 * stranger.
 */
export interface Access {
  /** No session at all. */
  readonly anon: Answer
  readonly suspended: Answer
  /** The user whose things the ids in the request name. */
  readonly own: Answer
  /** Another user with those ids; null where the request names nobody's things. */
  readonly other: Answer | null
  readonly admin: Answer
  readonly superAdmin: Answer
  /** Sent as it is, but for `{asset}` and the like. */
  readonly body?: object
  readonly query?: string
  /** What `{id}` and the like in the path stand for. */
  readonly ids?: Readonly<Record<string, Subject>>
  readonly isStream?: boolean
  /** Ends the session that calls it, so it is called after everything else. */
  readonly isLast?: boolean
}

/** Statuses that are right; several where it depends on how far the fixture has got. */
export type Answer = number | readonly number[]

/** Things of the owner, and of the installation, that requests name. */
export type Subject =
  | 'task'
  | 'asset'
  | 'movingAsset'
  | 'doomedAsset'
  | 'upload'
  | 'doomedUpload'
  | 'shareLink'
  | 'doomedShareLink'
  | 'adjustment'
  | 'paymentEvent'
  | 'providerType'
  | 'toolSlug'
  | 'feature'
  | 'tool'
  | 'toolType'
  | 'provider'
  | 'adminProvider'
  | 'user'

type More = Pick<Access, 'body' | 'query' | 'ids' | 'isStream' | 'isLast'>

/** The same for everybody, signed in or not. */
function everybody(answer: Answer, more: More = {}): Access {
  const all = { anon: answer, suspended: answer, own: answer, other: null, admin: answer }
  return { ...all, superAdmin: answer, ...more }
}

/** For whoever is signed in and not suspended, about the caller's own things only. */
function signedIn(answer: Answer, more: More = {}): Access {
  const all = { own: answer, other: null, admin: answer, superAdmin: answer }
  return { anon: 401, suspended: 403, ...all, ...more }
}

/** For the owner of the thing that is named; everybody else is told that it is not there. */
function ownerOnly(answer: Answer, more: More): Access {
  const others = { other: 404, admin: 404, superAdmin: 404 }
  return { anon: 401, suspended: 403, own: answer, ...others, ...more }
}

/** As signedIn, for the suspended too. */
function readers(answer: Answer, more: More = {}): Access {
  return { ...signedIn(answer, more), suspended: answer }
}

/** As ownerOnly, for a suspended owner too: another's is not there either. */
function ownersWhoRead(answer: Answer, more: More): Access {
  return { ...ownerOnly(answer, more), suspended: 404 }
}

/** For operators: a role before anything is looked at. */
function operators(answer: Answer, more: More = {}): Access {
  const users = { anon: 401, suspended: 403, own: 403, other: null }
  return { ...users, admin: answer, superAdmin: answer, ...more }
}

/** For super_admins alone. */
function superAdmins(answer: Answer, more: More = {}): Access {
  return { ...operators(answer, more), admin: 403 }
}

const asset = { assetId: 'asset' } as const
const upload = { ids: { uploadId: 'upload' } } as const
const task = { taskId: 'task' } as const
const order = { toolSlug: 'background-remove', input: { assetId: '{asset}' } }
// Whoever may call it is told what is missing: the matrix asks who may, not what it does.
const missing = { body: {} }

export const accessMatrix: Readonly<Record<string, Access>> = {
  // Every service. Load balancers and monitors look at these; the edge routes none of them.
  'GET /health': everybody(200),
  'GET /health/db': everybody([200, 404]),
  'GET /health/redis': everybody([200, 404]),
  'GET /health/queue': everybody([200, 404]),
  'GET /health/all': everybody(200),
  'GET /metrics': everybody(200),
  'GET /openapi.json': everybody([200, 404]),

  // auth
  'POST /api/auth/sign-up/email': everybody(400, missing),
  'POST /api/auth/sign-in/email': everybody(400, missing),
  'GET /api/auth/get-session': everybody(200),
  'POST /api/auth/sign-out': everybody(200, { isLast: true }),
  'GET /api/admin/settings': operators(200),
  'PUT /api/admin/settings': superAdmins(400, missing),
  'GET /api/admin/settings/features': operators(200),
  'PUT /api/admin/settings/features/{key}': superAdmins(200, {
    body: { percent: 100, reason: 'as it is' },
    ids: { key: 'feature' },
  }),
  'GET /api/admin/events': superAdmins(200),

  // asset
  'GET /api/assets/shared': everybody(200),
  'GET /api/assets/shared/{assetId}': everybody(404, { ids: asset }),
  'POST /api/assets/share-links/open': everybody(404, { body: { token: 'nonsense' } }),
  'POST /api/assets/share-links/download': everybody(400, missing),
  'POST /api/assets/share-links': signedIn(400, missing),
  'GET /api/assets/share-links': readers(200),
  'GET /api/assets/share-links/{linkId}': ownersWhoRead(200, { ids: { linkId: 'shareLink' } }),
  'PATCH /api/assets/share-links/{linkId}': ownerOnly(200, {
    ids: { linkId: 'shareLink' },
    body: { title: 'Cats' },
  }),
  'DELETE /api/assets/share-links/{linkId}': ownerOnly(204, {
    ids: { linkId: 'doomedShareLink' },
  }),
  'POST /api/assets/uploads': signedIn(400, missing),
  'POST /api/assets/uploads/{uploadId}/complete': ownerOnly(409, upload),
  'POST /api/assets/uploads/{uploadId}/sign': ownerOnly([200, 409], upload),
  'POST /api/assets/uploads/{uploadId}/parts': ownerOnly(409, {
    ...upload,
    body: { partNumbers: [1] },
  }),
  'GET /api/assets/uploads/{uploadId}': ownerOnly(200, upload),
  'DELETE /api/assets/uploads/{uploadId}': ownerOnly(204, { ids: { uploadId: 'doomedUpload' } }),
  'GET /api/assets/limits': readers(200),
  'GET /api/assets': readers(200),
  'POST /api/assets/resolve': readers(400, missing),
  'POST /api/assets/delete': readers(400, missing),
  'GET /api/assets/download': readers(400),
  'POST /api/assets/session-cookies': readers([200, 204, 409]),
  'DELETE /api/assets/session-cookies': readers(204),
  'PATCH /api/assets/{assetId}': ownerOnly(200, { ids: asset, body: { tags: [] } }),
  'GET /api/assets/{assetId}/events': ownersWhoRead(200, { ids: asset }),
  'GET /api/assets/{assetId}': ownersWhoRead(200, { ids: asset }),
  'DELETE /api/assets/{assetId}': ownersWhoRead(204, { ids: { assetId: 'doomedAsset' } }),
  'POST /api/assets/{assetId}/publish': ownerOnly(200, { ids: { assetId: 'movingAsset' } }),
  'POST /api/assets/{assetId}/unpublish': ownerOnly([200, 409], {
    ids: { assetId: 'movingAsset' },
  }),
  // Administrators for the platform: what is a user's is not there.
  'POST /api/admin/assets/uploads': operators(400, missing),
  'POST /api/admin/assets/uploads/{uploadId}/complete': operators(404, upload),
  'POST /api/admin/assets/uploads/{uploadId}/sign': operators(404, upload),
  'POST /api/admin/assets/uploads/{uploadId}/parts': operators(404, {
    ...upload,
    body: { partNumbers: [1] },
  }),
  'GET /api/admin/assets/uploads/{uploadId}': operators(404, upload),
  'DELETE /api/admin/assets/uploads/{uploadId}': operators(404, upload),
  'GET /api/admin/assets': operators(200),
  'GET /api/admin/assets/{assetId}': operators(404, { ids: asset }),
  'DELETE /api/admin/assets/{assetId}': operators(404, { ids: asset }),

  // credit
  'GET /api/credits': readers(200),
  'GET /api/credits/transactions': readers(200),
  'GET /api/credits/packages': everybody(200),
  'GET /api/credits/grants': readers(200),
  'GET /api/credits/payments': readers(200),
  'POST /api/admin/assets/{assetId}/unpublish': operators([204, 409], {
    ids: { assetId: 'movingAsset' },
    body: { reason: 'a complaint' },
  }),
  'POST /api/admin/assets/{assetId}/delete': operators([204, 404], {
    ids: { assetId: 'doomedAsset' },
    body: { reason: 'a complaint' },
  }),
  'POST /api/admin/assets/{assetId}/read': operators([200, 201], {
    ids: asset,
    body: { reason: 'a complaint' },
  }),
  'POST /api/credits/checkout': signedIn(400, missing),
  // Of Stripe alone: a session is nothing to it, a signature is.
  'POST /api/credits/webhooks/stripe': everybody([401, 404, 503], missing),
  'GET /api/admin/credits/users/{userId}': operators(200, { ids: { userId: 'user' } }),
  'GET /api/admin/credits/users/{userId}/transactions': operators(200, { ids: { userId: 'user' } }),
  'POST /api/admin/credits/adjust': superAdmins(400, missing),
  'POST /api/admin/credits/grants': superAdmins(400, missing),
  'GET /api/admin/credits/adjustments': superAdmins(200),
  'POST /api/admin/credits/adjustments/{id}/approve': superAdmins(404, {
    ids: { id: 'adjustment' },
  }),
  'POST /api/admin/credits/adjustments/{id}/reject': superAdmins(404, {
    ids: { id: 'adjustment' },
  }),
  'GET /api/admin/credits/payment-events': superAdmins(200),
  'POST /api/admin/credits/payment-events/{id}/retry': superAdmins(404, {
    ids: { id: 'paymentEvent' },
  }),

  // task-gateway
  'GET /api/tools': everybody(200),
  'GET /api/tools/{slug}': everybody(200, { ids: { slug: 'toolSlug' } }),
  'POST /api/quotes': ownerOnly(200, { body: order }),
  'POST /api/tasks': ownerOnly(201, { body: order }),
  'GET /api/tasks': readers(200),
  'GET /api/tasks/{taskId}': ownersWhoRead(200, { ids: task }),
  'POST /api/tasks/{taskId}/cancel': ownersWhoRead([200, 409], { ids: task }),
  // Of providers alone, by their signatures.
  'POST /api/webhooks/providers/{provider}': everybody([401, 404], {
    ...missing,
    ids: { provider: 'providerType' },
  }),
  'GET /api/admin/tasks': operators(200),
  'GET /api/admin/tasks/{taskId}': operators(200, { ids: task }),
  'GET /api/admin/tasks/dead-letters': operators(200),
  'GET /api/admin/tasks/dead-letters/groups': operators(200),
  'POST /api/admin/tasks/dead-letters/retry': operators(400, missing),
  'POST /api/admin/tasks/{taskId}/cancel': operators(409, {
    ids: task,
    body: { reason: 'asked by the owner' },
  }),
  'GET /api/admin/tool-types': operators(200),
  'POST /api/admin/tool-types': operators(400, missing),
  'GET /api/admin/tool-types/{toolTypeId}': operators(200, { ids: { toolTypeId: 'toolType' } }),
  'PUT /api/admin/tool-types/{toolTypeId}': operators(400, {
    ...missing,
    ids: { toolTypeId: 'toolType' },
  }),
  'GET /api/admin/tools': operators(200),
  'POST /api/admin/tools': operators(400, missing),
  'GET /api/admin/tools/{toolId}': operators(200, { ids: { toolId: 'tool' } }),
  'PUT /api/admin/tools/{toolId}': operators(400, { ...missing, ids: { toolId: 'tool' } }),
  'GET /api/admin/tools/{toolId}/versions': operators(200, { ids: { toolId: 'tool' } }),
  'GET /api/admin/providers': operators(200),
  'POST /api/admin/providers': operators(400, missing),
  'GET /api/admin/providers/{providerId}': operators(200, { ids: { providerId: 'provider' } }),
  'PUT /api/admin/providers/{providerId}': operators(400, {
    ...missing,
    ids: { providerId: 'provider' },
  }),
  'DELETE /api/admin/providers/{providerId}': operators(409, { ids: { providerId: 'provider' } }),
  'GET /api/admin/admin-providers': operators(200),
  'POST /api/admin/admin-providers': operators(400, missing),
  'GET /api/admin/admin-providers/{providerId}': operators(404, {
    ids: { providerId: 'adminProvider' },
  }),
  'PUT /api/admin/admin-providers/{providerId}': operators(404, {
    body: { version: 1 },
    ids: { providerId: 'adminProvider' },
  }),
  'DELETE /api/admin/admin-providers/{providerId}': operators(404, {
    ids: { providerId: 'adminProvider' },
  }),

  // progress
  'GET /api/tasks/{taskId}/stream': ownersWhoRead(200, { ids: task, isStream: true }),
  'GET /api/progress/stream': readers(200, { isStream: true }),
  // Without the headers of an upgrade it is no place at all.
  'GET /api/progress/ws': readers([404, 426]),
}
