"""Where a database is, as far as the role that looks may see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from projects import Project


def test_a_version_table_that_may_not_be_read_is_never_taken_for_a_database_never_migrated(project: Project) -> None:
    env = project.folder / "migrations" / "env.py"
    env.write_text(
        env.read_text().replace("target_metadata=None", 'target_metadata=None, version_table_schema="hidden"')
    )
    project.query("CREATE SCHEMA hidden")
    project.add_table("a")
    assert project.tidegate("upgrade").code == 0
    assert project.tidegate("status").code == 0
    role = f"reader_{project.url.rsplit('_', 1)[1]}"
    project.query(f"CREATE ROLE {role} LOGIN")
    refused = project.tidegate("status", DATABASE_URL=project.url.replace("postgres@", f"{role}@"))
    assert refused.code == 13, refused.out
    assert "may not read `hidden.alembic_version`" in refused.err
    project.query(f"DROP ROLE {role}")
