"""What a preview of a policy takes on a registry of 10,000 tags while somebody types: each time another text."""

import json
import statistics
import time

ROUNDS = 20
TEXT = """\
protect: [{{id: latest, tag: latest}}]
keep:
  - {{id: recent, newest: {{n: {n}, by: pushed}}}}
  - {{id: releases, semver: {{range: '>=1', newest: 3, per: minor}}}}
delete:
  - {{id: old, tag: '.*', older_than: {{age: 30d, by: pushed}}}}
  - {{id: untagged, untagged: true, older_than: {{age: 7d, by: untagged_at}}}}
"""


def main() -> None:
    """Fill the database of the settings, unless it is filled, and print the figures as JSON lines."""
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    from benchmarks import database
    from registryui.models import Registry
    from registryui.services import policies

    call_command("migrate", verbosity=0)
    if not Registry.objects.exists():
        database.fill(database.Size(10_000, 200, 100_000), decided=30, entries=300)
    admin = User.objects.get(username="admin")
    version = policies.create(admin, "Bench", "main", TEXT.format(n=50))
    policies.activate(admin, version)
    client = Client(headers={"host": "localhost"})
    client.force_login(admin)
    for name, address in (("as one types", "/policies/preview/"), ("its bytes", "/policies/preview/?bytes=1")):
        client.post(address, {"policy": version.policy.slug, "on": "main", "text": TEXT.format(n=1)})
        times, worked = [], []
        for number in range(ROUNDS):
            data = {"policy": version.policy.slug, "on": "main", "text": TEXT.format(n=number + 2)}
            begun, processor = time.perf_counter(), time.process_time()
            answer = client.post(address, data)
            times.append((time.perf_counter() - begun) * 1000)
            worked.append((time.process_time() - processor) * 1000)
            if answer.status_code != 200 or (b"Tags go" in answer.content) == address.endswith("1"):
                raise SystemExit(f"{address} was not answered with a preview.")
        print(
            json.dumps(
                {
                    "name": name,
                    "milliseconds": statistics.quantiles(times, n=20)[-1],
                    "worked": statistics.quantiles(worked, n=20)[-1],
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
