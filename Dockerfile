# One image for all services; compose.yaml says which one a container runs.
FROM python:3.12-slim AS build
WORKDIR /app
RUN pip install --no-cache-dir "uv>=0.8,<1"
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --frozen --no-dev --no-install-project
COPY shared shared
COPY services services
RUN uv sync --frozen --no-dev --no-editable

FROM python:3.12-slim
RUN useradd --system --uid 10001 --no-create-home jetcron
COPY --from=build /app/.venv /app/.venv
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /app
USER jetcron
ENTRYPOINT ["jetcron"]
