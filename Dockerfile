# The image of selfimp-bench, for GPUs (ACCELERATOR=cuda) or a CPU (ACCELERATOR=cpu). ci/build-image builds it.
# The CUDA runtime comes with the hash-locked wheels: NVIDIA's own images disappear with time.
ARG BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b


# Every locked package as a wheel, its hash checked; the few that have no wheel are built with locked tools.
FROM ${BASE_IMAGE} AS wheels
ARG ACCELERATOR=cuda
ARG TORCH_WHEELS=https://download.pytorch.org/whl/cpu/torch/
# The last two: so that what is built here is the same, byte by byte, each time.
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 DS_BUILD_OPS=0 \
    SOURCE_DATE_EPOCH=1767225600 PYTHONHASHSEED=0
WORKDIR /build
COPY ci/locks/dev.lock ci/locks/
RUN python3.11 -m venv tools \
    && tools/bin/pip install --quiet --require-hashes --no-deps -r ci/locks/dev.lock
COPY ci/locks/${ACCELERATOR}.lock ci/locks/
RUN if [ "$ACCELERATOR" = cpu ]; then from="--find-links $TORCH_WHEELS"; fi \
    && tools/bin/pip wheel --quiet --require-hashes --no-deps --no-build-isolation --use-pep517 $from \
       --wheel-dir /wheels -r "ci/locks/$ACCELERATOR.lock" \
    && (cd /wheels && sha256sum -- *.whl) >/build/wheels.sha256 \
    && python3.11 -m venv --without-pip /opt/venv \
    && rm -f /opt/venv/lib64 \
    && tools/bin/pip --python /opt/venv/bin/python install --quiet --no-index --no-deps /wheels/*.whl \
    && rm -rf /wheels
COPY ci/image_trim ci/
RUN python3.11 ci/image_trim --accelerator "$ACCELERATOR" /opt/venv >trimmed.txt


# This package, the software bill of materials, and what the image is made of.
FROM wheels AS package
ARG ACCELERATOR
ARG BASE_IMAGE
ARG COMMIT
COPY pyproject.toml README.md LICENSE ./
COPY ci/image_facts ci/
COPY benchmark benchmark
COPY manifests manifests
COPY reference_results reference_results
RUN tools/bin/pip wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir dist . \
    && tools/bin/pip --python /opt/venv/bin/python install --quiet --no-index --no-deps --root /own dist/*.whl \
    && tools/bin/pip --python /opt/venv/bin/python install --quiet --no-index --no-deps dist/*.whl \
    && mkdir -p /own/opt/venv/image \
    && cp wheels.sha256 trimmed.txt ci/image_facts /own/opt/venv/image/ \
    && tools/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON \
       -o /own/opt/venv/image/sbom.cdx.json /opt/venv/bin/python \
    && python3.11 ci/image_facts --accelerator "$ACCELERATOR" --base-image "$BASE_IMAGE" --commit "$COMMIT" \
       --wheels wheels.sha256 >/own/opt/venv/image/image.json


# What runs: the packages, and of Debian only what they call.
FROM ${BASE_IMAGE} AS final
ARG ACCELERATOR=cuda
# Debian's packages as of this day; "none" takes those of the base image's own sources.
ARG DEBIAN_SNAPSHOT=20261101T000000Z
# bubblewrap: the sandbox's first choice. libnuma1: vLLM's own library for CPUs is linked with it. gcc and the C
# library's headers: Triton compiles its launchers with them.
RUN if [ "$DEBIAN_SNAPSHOT" != none ]; then \
      rm -f /etc/apt/sources.list.d/debian.sources; \
      for suite in "debian bookworm" "debian-security bookworm-security"; do \
        echo "deb [check-valid-until=no] http://snapshot.debian.org/archive/${suite% *}/$DEBIAN_SNAPSHOT ${suite#* } main"; \
      done >/etc/apt/sources.list; \
    fi \
    && apt-get update -qq \
    && if [ "$ACCELERATOR" = cuda ]; then tools="gcc libc6-dev"; fi \
    && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends bubblewrap libnuma1 $tools >/dev/null \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log /var/cache/ldconfig/aux-cache \
    && useradd --uid 10001 --no-create-home --home-dir /data/home --shell /usr/sbin/nologin selfimp \
    && install --directory --owner selfimp --group selfimp /data
COPY --from=wheels /opt/venv /opt/venv
COPY --from=package /own /
# Debian's packages join the bill of materials.
RUN python3.11 /opt/venv/image/image_facts --add-debian /opt/venv/image/sbom.cdx.json
# Everything that is written lies on the volume at /data; the rest of the image may be read-only.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    SELFIMP_BENCH_VOLUME=/data \
    SELFIMP_BENCH_HOME=/data \
    HF_HOME=/data/hub \
    HOME=/data/home \
    USER=selfimp \
    TMPDIR=/data/tmp \
    XDG_CACHE_HOME=/data/cache \
    MPLCONFIGDIR=/data/cache/matplotlib \
    TORCHINDUCTOR_CACHE_DIR=/data/cache/torchinductor \
    TRITON_CACHE_DIR=/data/cache/triton \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
ARG COMMIT
ARG LOCK_DIGEST
ARG MANIFESTS_DIGEST
ARG REFERENCES_DIGEST
LABEL org.opencontainers.image.title="selfimp-bench" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="$COMMIT" \
      selfimp-bench.accelerator="$ACCELERATOR" \
      selfimp-bench.lock-digest="$LOCK_DIGEST" \
      selfimp-bench.manifests-digest="$MANIFESTS_DIGEST" \
      selfimp-bench.references-digest="$REFERENCES_DIGEST"
USER selfimp
WORKDIR /data
ENTRYPOINT ["selfimp-bench"]
CMD ["--help"]
