# soundkin on the CPU: sync, query and serve. docs/serving.md, "Deployment", has the commands.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
# An index of torch's CPU wheels; without one torch brings 4.5 GB of CUDA (docs/install.md).
ARG TORCH_INDEX=
ARG EXTRAS=serve,pictures
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/soundkin/bin:$PATH
WORKDIR /source
COPY constraints.txt ./
RUN python -m venv /opt/soundkin \
    && pip install --no-compile ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} --constraint constraints.txt torch
COPY pyproject.toml README.md LICENSE ./
COPY configs configs
COPY src src
# Headers, libraries to link with and test programs are for those who build on torch in C++: 0.2 GB.
RUN pip install --no-compile --constraint constraints.txt ".[${EXTRAS}]" \
    && pip uninstall --yes pip setuptools \
    && find /opt/soundkin \( -path '*/torch/include' -o -path '*/torch/test' -o -path '*/torch/bin/test_*' \
       -o -path '*/torch/bin/protoc*' -o -path '*/pyarrow/include' -o -name '*.a' \) -prune -exec rm -r {} +
# What is left works, and the modules that it takes are compiled: those alone, as all are 0.3 GB.
RUN mkdir /tmp/noise \
    && python -c "import numpy, soundfile; \
       [soundfile.write(f'/tmp/noise/{n}.wav', numpy.random.rand(99999) / 9, 22050) for n in range(9)]" \
    && soundkin sync /tmp/noise --output /tmp/library \
    && soundkin neighbours /tmp/library \
    && soundkin query /tmp/library --like /tmp/noise/1.wav \
    && python -c "import soundkin.service.serving"

FROM python:${PYTHON}
COPY --from=build /opt/soundkin /opt/soundkin
RUN useradd --uid 10001 --no-create-home --home-dir /library soundkin \
    && install --directory --owner soundkin /library
# Nothing but /library and /tmp is written to: `docker run --read-only --tmpfs /tmp` works.
ENV PATH=/opt/soundkin/bin:$PATH HOME=/library MPLCONFIGDIR=/tmp/matplotlib PYTHONUNBUFFERED=1
USER 10001
VOLUME /library
EXPOSE 8000
HEALTHCHECK --start-period=60s --timeout=6s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=5)"]
ENTRYPOINT ["soundkin"]
CMD ["serve", "/library", "--host", "0.0.0.0"]
