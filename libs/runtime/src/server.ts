import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type {
  FastifyInstance,
  FastifyPluginAsync,
  FastifyPluginOptions,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify'
import type { Logger } from './logger.ts'

export type Server = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  Logger,
  TypeBoxTypeProvider
>

/** A plugin that adds one route, given just the collaborators that it uses. */
export type RoutePlugin<Deps extends object = object> = FastifyPluginAsync<
  Deps & FastifyPluginOptions,
  RawServerDefault,
  TypeBoxTypeProvider,
  Logger
>
