# counterpoise on a CPU, with bubblewrap for verifiers that run programs.
#
#   docker build -t counterpoise .
#   docker run --rm -it -v "$PWD/runs:/home/runner/runs" counterpoise demo --rule nsr
#
# Programs of responses are confined by bubblewrap, which needs user namespaces: where the container's own filter forbids them, add
# `--security-opt seccomp=unconfined --security-opt apparmor=unconfined`; `counterpoise doctor` says which level is in force.
# For a GPU take a CUDA build of torch: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu126
FROM python:3.12-slim-bookworm

SHELL ["/bin/bash", "-o", "pipefail", "-c"]

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends bubblewrap \
    && rm -rf /var/lib/apt/lists/*

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /opt/counterpoise
COPY pyproject.toml README.md LICENSE NOTICE constraints.txt ./
COPY src src
RUN version="$(sed -n 's/^torch==\([0-9.]*\).*/\1/p' constraints.txt)" \
    && pip install --no-cache-dir --index-url "$TORCH_INDEX" "torch==$version" \
    && grep -v '^torch==' constraints.txt > /tmp/constraints.txt \
    && pip install --no-cache-dir -c /tmp/constraints.txt '.[code,lora,parquet,plot,procedural,served]' \
    && rm /tmp/constraints.txt

RUN useradd --create-home runner
USER runner
WORKDIR /home/runner
COPY --chown=runner recipes recipes
ENTRYPOINT ["counterpoise"]
CMD ["--help"]
