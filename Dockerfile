# The tag is for people; the digest is what is pulled, for every architecture.
FROM python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

RUN groupadd --gid 10001 worker \
    && useradd --uid 10001 --gid worker --home-dir /var/lib/worker --create-home --shell /usr/sbin/nologin worker

# Everything is a wheel on x86-64. Faust has none for arm64: it is built there, without a compiler as plain Python.
COPY requirements-runtime.lock /app/
RUN python -m pip install --no-cache-dir --no-deps --require-hashes -r /app/requirements-runtime.lock

COPY schemas /app/schemas
COPY worker /app/worker

# The code belongs to root; the worker writes below its home only, which is also where a worker.toml is looked for.
ENV PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NPS_STATUS_FILE=/var/lib/worker/status
WORKDIR /var/lib/worker
USER 10001:10001

STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-m", "worker", "health"]
ENTRYPOINT ["python", "-m", "worker"]
CMD ["run"]
