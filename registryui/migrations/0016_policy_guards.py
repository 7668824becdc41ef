"""What must hold of policies whatever the code says: a version and a signature are never changed, nobody signs what they
asked for or wrote, and a standing approval changes in one way only: it is revoked."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

APPEND_ONLY = {"registryui_policyversion": "a version of a policy", "registryui_standingsignature": "a signature"}

OWN = """
    SELECT 1 FROM registryui_standingapproval AS standing
    JOIN registryui_policyversion AS version ON version.id = standing.version_id
    WHERE standing.id = NEW.standing_id AND NEW.user_id IN (standing.asked_by_id, version.created_by_id)
"""
OTHERWISE = """
    OLD.revoked_at IS NOT NULL OR NEW.revoked_at IS NULL OR NEW.revoked_by_id IS NULL
    OR NEW.version_id <> OLD.version_id OR NEW.registry_id <> OLD.registry_id OR NEW.digest <> OLD.digest
    OR NEW.asked_by_id <> OLD.asked_by_id
"""
SAID = {
    "own": "nobody signs what they asked for or wrote",
    "revoked": "a standing approval can only be revoked",
}

SQLITE = [
    f"CREATE TRIGGER registryui_nobody_signs_their_own BEFORE INSERT ON registryui_standingsignature "
    f"WHEN EXISTS ({OWN}) BEGIN SELECT RAISE(ABORT, '{SAID['own']}'); END",
    f"CREATE TRIGGER registryui_standing_is_revoked BEFORE UPDATE ON registryui_standingapproval "
    f"WHEN {OTHERWISE} BEGIN SELECT RAISE(ABORT, '{SAID['revoked']}'); END",
]
POSTGRES = [
    f"""
CREATE FUNCTION registryui_nobody_signs_their_own() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS ({OWN}) THEN RAISE EXCEPTION '{SAID['own']}' USING ERRCODE = 'check_violation'; END IF;
    RETURN NEW;
END $$""",
    """
CREATE TRIGGER registryui_nobody_signs_their_own BEFORE INSERT ON registryui_standingsignature
FOR EACH ROW EXECUTE FUNCTION registryui_nobody_signs_their_own()""",
    f"""
CREATE FUNCTION registryui_standing_is_revoked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF {OTHERWISE} THEN RAISE EXCEPTION '{SAID['revoked']}' USING ERRCODE = 'check_violation'; END IF;
    RETURN NEW;
END $$""",
    """
CREATE TRIGGER registryui_standing_is_revoked BEFORE UPDATE ON registryui_standingapproval
FOR EACH ROW EXECUTE FUNCTION registryui_standing_is_revoked()""",
]


def forwards(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    sqlite = schema_editor.connection.vendor == "sqlite"
    with schema_editor.connection.cursor() as cursor:
        for statement in SQLITE if sqlite else POSTGRES:
            cursor.execute(statement)
        for table, what in APPEND_ONLY.items():
            if not sqlite:
                cursor.execute(
                    f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                    f"FOR EACH STATEMENT EXECUTE FUNCTION registryui_append_only('{what}')"
                )
                continue
            for verb in ("UPDATE", "DELETE"):
                cursor.execute(
                    f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{what} is never changed'); END"
                )


def backwards(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    sqlite = schema_editor.connection.vendor == "sqlite"
    with schema_editor.connection.cursor() as cursor:
        for name, table in (
            ("registryui_nobody_signs_their_own", "registryui_standingsignature"),
            ("registryui_standing_is_revoked", "registryui_standingapproval"),
        ):
            cursor.execute(f"DROP TRIGGER {name}" if sqlite else f"DROP TRIGGER {name} ON {table}")
            if not sqlite:
                cursor.execute(f"DROP FUNCTION {name}")
        for table in APPEND_ONLY:
            for suffix in ("no_update", "no_delete") if sqlite else ("append_only",):
                cursor.execute(f"DROP TRIGGER {table}_{suffix}" + ("" if sqlite else f" ON {table}"))


class Migration(migrations.Migration):
    dependencies = [("registryui", "0015_policies")]

    operations = [migrations.RunPython(forwards, backwards)]
