# One image for web, worker, beat and migrations; docker-compose.yml says which of them a container is.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    UV_COMPILE_BYTECODE=1 \
    BEDROCK_ENV=production \
    BEDROCK_VAR=/srv/var \
    PRICES_FOLDER=/srv/prices \
    ARCHIVE_URL=file:///srv/archive

RUN useradd --system --uid 10001 --home-dir /srv --no-create-home --shell /usr/sbin/nologin bedrock \
 && install --directory --owner bedrock --group bedrock /srv/var /srv/prices /srv/archive

WORKDIR /srv/bedrock

COPY requirements-uv.lock requirements.lock ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements-uv.lock \
 && uv pip install --system --no-cache --require-hashes --requirement requirements.lock

COPY . .
# The settings want a key and a host even for collecting files; these last no longer than this line.
RUN SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(64))')" ALLOWED_HOSTS=localhost \
    python manage.py collectstatic --no-input \
 && chown -R bedrock:bedrock /srv/var

USER bedrock
EXPOSE 8000
CMD ["python", "-m", "granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--no-ws", "--workers", "2", "--blocking-threads", "1", "--respawn-failed-workers", "--workers-kill-timeout", "10", "--log-level", "warning", "config.wsgi:application"]
