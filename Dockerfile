# `make image` builds this; docs/operators/image.md says how to run it, and how to pin BASE to a digest.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
# Bytecode is to be the same in every build: it has the order of sets, which goes by the hashes of strings, and what
# Python writes by itself has the times of files.
ENV PYTHONHASHSEED=0 \
    PYTHONDONTWRITEBYTECODE=1
# pip is no part of the image: it installs from here. An image with plugins makes one the same way.
RUN python3 -m venv /pip \
 && python3 -m venv --without-pip /app/venv
WORKDIR /src
COPY requirements/image.txt requirements/
# The secret is for whoever has a package index of their own: a pip.conf.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    /pip/bin/pip --python /app/venv/bin/python install --no-cache-dir --no-compile --only-binary :all: --require-hashes \
    --requirement requirements/image.txt

COPY . .
ARG SOURCE_DATE_EPOCH=0
RUN /pip/bin/pip --python /app/venv/bin/python wheel --no-cache-dir --no-index --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /pip/bin/pip --python /app/venv/bin/python install --no-index --no-deps --no-compile --find-links /wheels scheduling \
 && /pip/bin/pip --python /app/venv/bin/python freeze --all > /app/constraints.txt \
 && install --mode 644 --target-directory /app production.ini image/healthcheck.py

# All that is added to the base goes below /image. The official base has no bytecode of Python's own library, and
# on a read-only root every start would compile what it imports.
RUN groupadd --gid 10001 scheduling \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin scheduling \
 && stdlib=$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))') \
 && python3 -m compileall -q --invalidation-mode unchecked-hash \
    -x '/(ensurepip|idlelib|lib2to3|site-packages|test|tkinter|turtledemo)/' "$stdlib" \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /app/venv/lib \
 && find "$stdlib" -name __pycache__ -not -path '*-packages/*' > /pycache.txt \
 && tar --create --hard-dereference --file /image.tar --files-from /pycache.txt /app /etc/passwd /etc/group \
 && mkdir /image \
 && tar --extract --file /image.tar --directory /image \
 && find /image -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +

FROM ${BASE}
COPY --from=build /image/ /
ENV PATH=/app/venv/bin:${PATH} \
    HOME=/tmp \
    SCHEDULING_CONFIG=/app/production.ini
WORKDIR /app
USER 10001:10001
# The API, and the metrics.
EXPOSE 3000 9100
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python3", "-IS", "/app/healthcheck.py"]
ENTRYPOINT ["scheduling"]
CMD ["web"]

# image/build adds the version, the revision, the time and the base.
LABEL org.opencontainers.image.title="Scheduling" \
      org.opencontainers.image.description="Self-hosted event scheduling behind a REST API" \
      org.opencontainers.image.licenses="ISC"
