# The image of the api. The build stage has uv and its cache; the image gets the finished virtual environment,
# the migrations and three small files. Base and uv are pinned here and nowhere else.
FROM python:3.14-slim AS build
RUN --mount=type=cache,target=/root/.cache/pip pip install --root-user-action=ignore uv==0.13.9
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_PYTHON=/usr/local/bin/python
WORKDIR /app

# What others wrote changes rarely: a layer of its own, built from the lock file alone.
RUN --mount=type=cache,target=/root/.cache/uv \
    --mount=type=bind,source=uv.lock,target=uv.lock \
    --mount=type=bind,source=pyproject.toml,target=pyproject.toml \
    --mount=type=bind,source=packages/tidegate/pyproject.toml,target=packages/tidegate/pyproject.toml \
    uv sync --locked --no-dev --no-install-workspace

COPY pyproject.toml uv.lock README.md LICENSE ./
COPY packages/tidegate packages/tidegate
COPY src src
RUN --mount=type=cache,target=/root/.cache/uv uv sync --locked --no-dev --no-editable
COPY main.py alembic.ini ./
COPY migrations migrations
RUN python -m compileall -q main.py migrations


FROM python:3.14-slim
RUN groupadd --gid 10001 expenses && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent expenses
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1
# What tidegate and the service take alike when the operator says nothing; ops/require-password.sh is the third place.
ENV POSTGRES_USER=expense_admin POSTGRES_DB=expenses
WORKDIR /app
COPY --from=build /app/.venv .venv
COPY --from=build /app/main.py ./
COPY --from=build /app/__pycache__ __pycache__
# The official image ships its standard library uncompiled, and a read-only container would compile at every start
# whatever is not compiled here. Ours is compiled whole; of what others wrote only what is imported, which leaves out
# 15 MB of other databases' dialects and of test suites. Importing fails the build if something is missing.
RUN python -m compileall -q .venv/lib/python3*/site-packages/expenses .venv/lib/python3*/site-packages/tidegate main.py \
 && python -m expenses.web.compiled \
 && uvicorn --version >/dev/null && alembic --help >/dev/null && tidegate --help >/dev/null \
 && python -c "import alembic.command, asyncpg, expenses.app, expenses.cli, httptools, postgast, prometheus_client.core, psycopg2.extras, segno, sqlalchemy.dialects.postgresql.asyncpg, sqlalchemy.dialects.postgresql.psycopg2, tidegate.run.guarded, tidegate.worker.__main__, tidegate.worker.statements, uvicorn.lifespan.on, uvicorn.loops.uvloop, uvicorn.protocols.http.httptools_impl, uvloop"
# Behind what takes seconds: a new migration costs none of that.
COPY --from=build /app/alembic.ini ./
COPY --from=build /app/migrations migrations
COPY --chmod=755 entrypoint.sh ./
ENV PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8000
ENTRYPOINT ["/app/entrypoint.sh"]
# nginx closes idle connections after 60 s; the server keeps them longer, so that it never closes one that is
# about to be used again. Graceful shutdown ends before Docker's patience does (`stop_grace_period` 30 s).
CMD ["uvicorn", "main:app", "--host", "0.0.0.0", "--port", "8000", "--proxy-headers", "--no-access-log", \
     "--no-server-header", "--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "20"]
