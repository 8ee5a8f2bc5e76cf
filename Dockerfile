# The server's image: `docker build -t chatkit-server .`
#
# Build arguments choose the bases and the extras. Build secrets configure the registries, and are
# in no layer: `pip` (a pip.conf), `npmrc`, and `ca`, certificates in PEM that those two may name as
# /run/secrets/ca.

ARG PYTHON_IMAGE=python:3.13-slim-bookworm
ARG NODE_IMAGE=node:22-bookworm-slim

# --- The chat.
FROM ${NODE_IMAGE} AS web
WORKDIR /src
COPY web/package.json web/package-lock.json web/.npmrc web/
COPY web/core/package.json web/core/
COPY web/element/package.json web/element/
COPY web/bubble/package.json web/bubble/
COPY web/docusaurus-plugin/package.json web/docusaurus-plugin/
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc --mount=type=secret,id=ca \
    --mount=type=cache,target=/root/.npm \
    npm --prefix web ci
COPY web/tsconfig.base.json web/
COPY web/scripts web/scripts
COPY web/core web/core
COPY web/element web/element
COPY web/bubble web/bubble
COPY web/docusaurus-plugin web/docusaurus-plugin
RUN npm --prefix web run build

# --- This project's documentation, with the chat in it.
FROM web AS docs
COPY web/site/package.json web/site/package-lock.json web/site/.npmrc web/site/
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc --mount=type=secret,id=ca \
    --mount=type=cache,target=/root/.npm \
    npm --prefix web/site ci
COPY web/site web/site
RUN npm --prefix web/site run build

# --- The wheel.
FROM ${PYTHON_IMAGE} AS wheel
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY chatkit_server chatkit_server
COPY stores stores
COPY tools tools
COPY --from=web /src/chatkit_server/static chatkit_server/static
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca \
    --mount=type=cache,target=/root/.cache/pip \
    python3 -m pip wheel --no-deps --wheel-dir /wheel .

# --- What runs, in the place where it will run.
FROM ${PYTHON_IMAGE} AS installed
# Without pip: nothing is installed into it later.
RUN python3 -m venv --without-pip /opt/chatkit
COPY constraints.txt /
COPY --from=wheel /wheel /wheel
# Also there: fastembed. `local` is the embedded Postgres, which is not for containers.
ARG EXTRAS=redis,s3,otel
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca \
    --mount=type=cache,target=/root/.cache/pip \
    python3 -m pip --python /opt/chatkit/bin/python3 install \
      --constraint /constraints.txt "$(ls /wheel/chatkit_server-*.whl)[${EXTRAS}]"

# --- The image.
FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="chatkit-server" \
      org.opencontainers.image.description="A ChatKit server that answers from a documentation site" \
      org.opencontainers.image.licenses="MIT"
# The folder is made here so that new volumes belong to the user, and to group 0 for any other
# user: OpenShift runs images as one whom /etc/passwd does not name.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/chatkit chatkit \
    && install -d -o chatkit -g 0 -m 0770 /var/lib/chatkit
COPY --from=installed /opt/chatkit /opt/chatkit
COPY --from=docs /src/web/site/build /usr/share/chatkit/docs
ENV PATH=/opt/chatkit/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/var/lib/chatkit \
    CHATKIT_EMBEDDED=0 \
    CHATKIT_DATA_DIR=/var/lib/chatkit
WORKDIR /var/lib/chatkit
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python3", "-Ic", "import os, http.client as h; c = h.HTTPConnection('127.0.0.1', int(os.environ.get('PORT') or 8000), timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["chatkit-server"]
CMD ["serve", "--host", "0.0.0.0"]
