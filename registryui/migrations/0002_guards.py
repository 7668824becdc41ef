"""What must hold whatever the code says: the record is only ever added to, verdicts are never changed, and nobody
approves what they proposed or last edited."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

APPEND_ONLY = {"registryui_auditentry": "the audit record", "registryui_approval": "a verdict", "registryui_planrecord": "a plan"}

SQLITE_OWN = """
CREATE TRIGGER registryui_nobody_approves_their_own BEFORE INSERT ON registryui_approval
WHEN EXISTS (
    SELECT 1 FROM registryui_proposal AS proposal
    WHERE proposal.id = NEW.proposal_id AND NEW.user_id IN (proposal.proposer_id, proposal.last_editor_id)
) OR EXISTS (
    SELECT 1 FROM registryui_planrecord AS plan WHERE plan.id = NEW.plan_id
    AND (plan.created_by_id = NEW.user_id OR plan.proposal_id <> NEW.proposal_id)
)
BEGIN SELECT RAISE(ABORT, 'nobody approves what they proposed or last edited'); END
"""

POSTGRES_OWN = """
CREATE FUNCTION registryui_nobody_approves_their_own() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM registryui_proposal AS proposal
        WHERE proposal.id = NEW.proposal_id AND NEW.user_id IN (proposal.proposer_id, proposal.last_editor_id)
    ) OR EXISTS (
        SELECT 1 FROM registryui_planrecord AS plan WHERE plan.id = NEW.plan_id
        AND (plan.created_by_id = NEW.user_id OR plan.proposal_id <> NEW.proposal_id)
    ) THEN
        RAISE EXCEPTION 'nobody approves what they proposed or last edited' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER registryui_nobody_approves_their_own BEFORE INSERT ON registryui_approval
FOR EACH ROW EXECUTE FUNCTION registryui_nobody_approves_their_own();
"""

POSTGRES_APPEND_ONLY = """
CREATE FUNCTION registryui_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is never changed', TG_ARGV[0] USING ERRCODE = 'check_violation'; END $$;
"""


def forwards(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    vendor = schema_editor.connection.vendor
    with schema_editor.connection.cursor() as cursor:
        if vendor == "sqlite":
            cursor.execute(SQLITE_OWN)
            for table, what in APPEND_ONLY.items():
                for verb in ("UPDATE", "DELETE"):
                    cursor.execute(
                        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                        f"BEGIN SELECT RAISE(ABORT, '{what} is never changed'); END"
                    )
        elif vendor == "postgresql":
            cursor.execute(POSTGRES_OWN)
            cursor.execute(POSTGRES_APPEND_ONLY)
            for table, what in APPEND_ONLY.items():
                cursor.execute(
                    f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                    f"FOR EACH STATEMENT EXECUTE FUNCTION registryui_append_only('{what}')"
                )
        else:
            raise RuntimeError(f"The guards of the record are not written for {vendor}; use SQLite or PostgreSQL.")


def backwards(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    vendor = schema_editor.connection.vendor
    with schema_editor.connection.cursor() as cursor:
        if vendor == "sqlite":
            cursor.execute("DROP TRIGGER registryui_nobody_approves_their_own")
            for table in APPEND_ONLY:
                cursor.execute(f"DROP TRIGGER {table}_no_update")
                cursor.execute(f"DROP TRIGGER {table}_no_delete")
        elif vendor == "postgresql":
            cursor.execute("DROP TRIGGER registryui_nobody_approves_their_own ON registryui_approval")
            cursor.execute("DROP FUNCTION registryui_nobody_approves_their_own")
            for table in APPEND_ONLY:
                cursor.execute(f"DROP TRIGGER {table}_append_only ON {table}")
            cursor.execute("DROP FUNCTION registryui_append_only")


class Migration(migrations.Migration):
    dependencies = [("registryui", "0001_initial")]

    operations = [migrations.RunPython(forwards, backwards)]
