# Build in a clone of this repository. CPU, TensorFlow 2.16:
#   docker build -t aec-ofa .
# CPU, TensorFlow 2.21; NVIDIA GPUs (their driver and container toolkit on the host):
#   docker build --build-arg EXTRAS=train-latest -t aec-ofa .
#   docker build --build-arg EXTRAS=train-latest --build-arg CUDA=1 -t aec-ofa-gpu .
# Run with recordings and results on the host:
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" aec-ofa train --flagfile=quickstart.flags
#   docker run --rm --gpus all --user "$(id -u):$(id -g)" -v "$PWD:/work" aec-ofa-gpu train ...
FROM python:3.11-slim

# An extra of setup.py: train, train-latest, or plot for tagging alone.
ARG EXTRAS=train
# 1 adds the CUDA libraries to TensorFlow.
ARG CUDA=0

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp

WORKDIR /src
COPY setup.py pyproject.toml README.md ./
COPY aec_ofa_tf aec_ofa_tf
COPY tfrecords tfrecords
COPY pipelines pipelines

# soundfile's wheel brings libsndfile. One pip command, so that all pins hold together.
RUN case "$EXTRAS" in \
        train) tensorflow="tensorflow[and-cuda]==2.16.2" ;; \
        train-latest) tensorflow="tensorflow[and-cuda]~=2.21.0" ;; \
        *) tensorflow="" ;; \
    esac; \
    if [ "$CUDA" = 1 ] && [ -z "$tensorflow" ]; then \
        echo "CUDA=1 needs EXTRAS=train or EXTRAS=train-latest, received $EXTRAS" >&2; exit 2; \
    fi; \
    if [ "$CUDA" != 1 ]; then tensorflow=""; fi; \
    pip install ".[$EXTRAS]" ${tensorflow:+"$tensorflow"} \
    && useradd --create-home --uid 1000 listener \
    && mkdir /work && chown listener /work

USER listener
WORKDIR /work
ENTRYPOINT ["aec-ofa"]
CMD ["--help"]
