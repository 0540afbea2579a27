"""Alembic's entry: runs on the connection that `services.gateway.store.migrate` hands over."""

from alembic import context

from services.gateway.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
