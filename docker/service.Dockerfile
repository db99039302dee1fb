# Every image of the platform but the web client:
#   docker build -f docker/service.Dockerfile --build-arg SERVICE=asset -t asset .
#   docker build -f docker/service.Dockerfile --target operations -t migrate .
# docker/README.md says how bases are pinned, what is in an image, and how to get its SBOM.
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS base
WORKDIR /app
ENV NODE_ENV=production

FROM base AS context
COPY . /context

# What decides about dependencies, apart from the rest: a change of code installs nothing anew.
FROM context AS manifests
RUN cd /context && cp --parents --preserve -t /app \
  package.json pnpm-lock.yaml pnpm-workspace.yaml libs/*/package.json services/*/package.json

FROM base AS workspace
ARG PNPM_VERSION=12.21.0
RUN npm install --global --no-audit --no-fund pnpm@${PNPM_VERSION}
ENV CI=true pnpm_config_store_dir=/pnpm/store pnpm_config_package_import_method=copy
COPY docker/build /build
COPY --from=manifests /app ./

# The Prisma client is made from the schema alone: no database, no engine, no network.
FROM workspace AS client
RUN --mount=type=cache,id=pnpm,target=/pnpm/store \
  pnpm install --frozen-lockfile --prod=false --filter @funmagic/database
COPY libs/database/prisma.config.ts libs/database/
COPY libs/database/prisma libs/database/prisma
RUN --network=none cd libs/database && \
  CHECKPOINT_DISABLE=1 PRISMA_SCHEMA_ENGINE_BINARY=/bin/true ./node_modules/.bin/prisma generate

FROM workspace AS dependencies
ARG SERVICE
RUN --mount=type=cache,id=pnpm,target=/pnpm/store \
  /build/install "@funmagic/${SERVICE:?name a folder of services/}-service"

FROM dependencies AS sources
COPY --from=client /app/libs/database/src/generated /sources/libs/database/src/generated
COPY --from=context /context /context
RUN /build/collect

FROM workspace AS operations-dependencies
RUN --mount=type=cache,id=pnpm,target=/pnpm/store \
  /build/install funmagic @funmagic/auth-service

FROM operations-dependencies AS operations-sources
COPY --from=client /app/libs/database/src/generated /sources/libs/database/src/generated
COPY --from=context /context /context
RUN /build/collect

FROM workspace AS development-dependencies
RUN --mount=type=cache,id=pnpm,target=/pnpm/store /build/install @funmagic/simulators

FROM development-dependencies AS development-sources
COPY --from=context /context /context
RUN /build/collect

# The stand-ins of the vendors and an S3 server, for a laptop alone; never deployed.
FROM base AS development
COPY --from=development-dependencies /app ./
COPY --from=development-sources /sources ./
COPY services/routing.json services/
COPY scripts/local/object-store-server.ts scripts/local/
COPY scripts/local/object-store scripts/local/object-store
RUN install -d -o node -g node /data
ENV HOST=0.0.0.0
USER node
VOLUME /data
WORKDIR /app/libs/simulators
CMD ["node", "--max-semi-space-size=4", "src/main.ts"]

# One-off tasks. Without a command it applies the migrations.
FROM base AS operations
COPY --from=operations-dependencies /app ./
COPY --from=operations-sources /sources ./
COPY scripts/migrate.ts scripts/seed.ts scripts/reseal-provider-keys.ts scripts/ledger-verify.ts \
  scripts/compare-databases.ts scripts/
COPY scripts/seeds scripts/seeds
COPY scripts/migrations scripts/migrations
COPY scripts/local scripts/local
USER node
CMD ["node", "scripts/migrate.ts"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="funmagic operations" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.revision="${REVISION}"

FROM base AS service
ARG SERVICE
RUN install -d -o node -g node /app/.compile-cache
COPY docker/health-check.mjs ./
COPY --from=dependencies /app ./
COPY --from=sources /sources ./
ENV HOST=0.0.0.0 NODE_COMPILE_CACHE=/app/.compile-cache
USER node
WORKDIR /app/services/${SERVICE}
# Started without settings it loads every module, then refuses them. That proves the image whole,
# and leaves the compile cache, which is bound to this user, this Node and this V8 flag.
RUN --network=none /bin/sh -c 'said=$(node --max-semi-space-size=4 --import @funmagic/runtime/telemetry src/main.ts); \
  code=$?; echo "$said" | grep -q "DATABASE_URL is not set" && test "$code" = 1 || { echo "$said"; exit 1; }'
# The one writable folder of a read-only container. Declared here, a volume that Fargate mounts
# keeps the permissions of the image's /tmp.
VOLUME /tmp
# Exec form: signals reach Node itself. `init: true` and ECS put an init in front of it.
CMD ["node", "--max-semi-space-size=4", "--import", "@funmagic/runtime/telemetry", "src/main.ts"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "/app/health-check.mjs"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="funmagic ${SERVICE}" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.revision="${REVISION}"
