# syntax=docker/dockerfile:1
ARG PYTHON=3.13-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/trueup \
    && /opt/trueup/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY desired_state desired_state
COPY reconcilers reconcilers
COPY rehearsal rehearsal
COPY daemon daemon
# setuptools builds the wheel; nothing of it stays in the image below.
RUN pip install --no-cache-dir "setuptools>=77" \
    && pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/trueup/bin/pip install --no-cache-dir --no-deps /wheels/*.whl

FROM python:${PYTHON}
RUN apt-get update && apt-get install -y --no-install-recommends git openssh-client ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 65532 --no-create-home --shell /usr/sbin/nologin trueup
COPY --from=build /opt/trueup /opt/trueup
USER 65532
ENV PATH=/opt/trueup/bin:$PATH TRUEUP_CACHE=/var/cache/trueup TRUEUP_LISTEN=0.0.0.0:8080 PYTHONDONTWRITEBYTECODE=1
VOLUME /var/cache/trueup
EXPOSE 8080
ENTRYPOINT ["trueup"]
CMD ["run"]
