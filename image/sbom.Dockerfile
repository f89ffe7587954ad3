# `make sbom` builds this: a file that lists the Python packages in the virtual environment of IMAGE, as CycloneDX.
ARG IMAGE=scheduling

FROM ${IMAGE} AS build
COPY sbom.txt /tmp/
RUN python3 -m venv /tmp/tools
RUN --mount=type=secret,id=pip,target=/etc/pip.conf,mode=0444 \
    /tmp/tools/bin/pip install --no-cache-dir --only-binary :all: --require-hashes --requirement /tmp/sbom.txt \
 && /tmp/tools/bin/cyclonedx-py environment --output-reproducible --output-file /tmp/scheduling.cdx.json \
    /app/venv/bin/python

FROM scratch
COPY --from=build /tmp/scheduling.cdx.json /
