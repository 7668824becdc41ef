"""Every migration forwards, back to nothing and forwards again, with something in the tables that guards look after.

Run as `python -m tests.web.there_and_back` in the environment of the database.
"""

import django
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

#: The migration right before the one that SQLite could not go back over.
BEFORE = "0014_space"


def guards() -> list[str]:
    """Return the names of all guards of the record that the database has."""
    table, name = ("sqlite_master", "name") if connection.vendor == "sqlite" else ("pg_trigger", "tgname")
    only = "type = 'trigger'" if connection.vendor == "sqlite" else "NOT tgisinternal"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {name} FROM {table} WHERE {only} ORDER BY 1")
        return [row[0] for row in cursor.fetchall()]


def fill() -> None:
    from django.contrib.auth.models import User

    from registryui.models import AuditEntry, Proposal, Registry
    from registryui.services import audit, policies

    writer = User.objects.create_user("writer")
    registry = Registry.objects.create(slug="hub", title="Hub", source="storage:/hub")
    version = policies.create(writer, "Old", "hub", "delete: [{tag: old}]")
    Proposal.objects.create(registry=registry, proposer=writer, last_editor=writer, policy=version)
    audit.record(writer, audit.Action.SCAN_REQUESTED, registry)
    assert AuditEntry.objects.exists()


def refused(statement: str) -> bool:
    """Tell whether a guard refuses a statement."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    except DatabaseError:
        return True
    return False


def main() -> None:
    django.setup()
    call_command("migrate", verbosity=0)
    there = guards()
    fill()
    call_command("migrate", "registryui", BEFORE, verbosity=0)
    # What was there before the policies is looked after as before.
    assert refused("UPDATE registryui_auditentry SET reason = 'x'")
    assert refused("DELETE FROM registryui_auditentry")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM registryui_proposal")
        assert cursor.fetchone() == (1,)
    call_command("migrate", "registryui", "zero", verbosity=0)
    assert guards() == []
    call_command("migrate", verbosity=0)
    assert guards() == there
    assert not refused("SELECT count(*) FROM registryui_proposal")
    print(len(there), "guards")


if __name__ == "__main__":
    main()
