# The web client: built with Node, served by nginx. Where its pictures come from and its files go to
# is said when it starts (PICTURE_ORIGINS, UPLOAD_ORIGINS), so one image serves every environment.
#   docker build -f docker/web.Dockerfile -t web .
ARG NODE_IMAGE=node:24-bookworm-slim
ARG NGINX_IMAGE=nginx:1.28

FROM ${NODE_IMAGE} AS manifests
COPY . /context
RUN mkdir /app && cd /context && cp --parents --preserve -t /app \
  package.json pnpm-lock.yaml pnpm-workspace.yaml libs/*/package.json services/*/package.json

FROM ${NODE_IMAGE} AS build
WORKDIR /app
ARG PNPM_VERSION=12.21.0
RUN npm install --global --no-audit --no-fund pnpm@${PNPM_VERSION}
ENV CI=true pnpm_config_store_dir=/pnpm/store pnpm_config_package_import_method=copy
COPY --from=manifests /app ./
RUN --mount=type=cache,id=pnpm,target=/pnpm/store \
  pnpm install --frozen-lockfile --prod=false --filter @funmagic/web...
COPY tsconfig.json ./
COPY libs/contract/src libs/contract/src
COPY services/web services/web
RUN --network=none cd services/web && node node_modules/vite/bin/vite.js build --outDir /site

FROM ${NGINX_IMAGE} AS web
COPY docker/nginx/web.conf /etc/nginx/nginx.conf
COPY docker/nginx/web-policy.conf.template /etc/nginx/templates/
COPY --from=build /site /usr/share/nginx/site
# Where the policy is written at the start; a read-only container has a tmpfs there.
RUN rm -f /etc/nginx/conf.d/* && chown nginx /etc/nginx/conf.d
USER nginx
VOLUME /tmp
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --retries=3 \
  CMD ["curl", "--fail", "--silent", "--max-time", "3", "http://127.0.0.1:8080/health"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="funmagic web" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.revision="${REVISION}"
