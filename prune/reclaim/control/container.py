"""What the engine says of a registry's container: where it answers, how it would be made again, what it runs."""

from typing import Any

from docker import APIClient

READ_ONLY = "REGISTRY_STORAGE_MAINTENANCE_READONLY"
DEFAULT_PORT = "5000"

#: Networks that every engine has; a container in one of them has no name there.
BUILT_IN = ("host", "bridge", "none", "default")


def addresses(container: dict[str, Any]) -> list[str]:
    """Return where the registry of a container may answer, as far as this machine can reach it."""
    config, settings = container["Config"], container["NetworkSettings"]
    environment = dict(entry.partition("=")[::2] for entry in config.get("Env") or ())
    port = environment.get("REGISTRY_HTTP_ADDR", "").rpartition(":")[2]
    exposed = [name.partition("/")[0] for name in config.get("ExposedPorts") or () if name.endswith("/tcp")]
    ports = [one for one in dict.fromkeys((port, *exposed, DEFAULT_PORT)) if one.isdigit()]
    hosts = []
    for bound in (settings.get("Ports") or {}).values():
        for one in bound or ():
            host = one["HostIp"] if one["HostIp"] not in ("", "0.0.0.0", "::") else "127.0.0.1"  # noqa: S104  # compared
            hosts.append(f"[{host}]:{one['HostPort']}" if ":" in host else f"{host}:{one['HostPort']}")
    names = ["127.0.0.1"] if container["HostConfig"].get("NetworkMode") == "host" else []
    names += [one["IPAddress"] for one in (settings.get("Networks") or {}).values() if one.get("IPAddress")]
    hosts += [f"{name}:{one}" for name in names for one in ports]
    return [f"{scheme}://{host}" for host in dict.fromkeys(hosts) for scheme in ("http", "https")]


def user_networks(container: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the networks that a container is in by name, with what it is called there; its main one first."""
    main = container["HostConfig"].get("NetworkMode")
    found = []
    for name, endpoint in (container["NetworkSettings"].get("Networks") or {}).items():
        if name not in BUILT_IN:
            aliases = [alias for alias in endpoint.get("Aliases") or () if alias != container["Id"][:12]]
            fixed = endpoint.get("IPAMConfig") or {}
            given: dict[str, Any] = {"aliases": aliases, "links": endpoint.get("Links")}
            given |= {"ipv4_address": fixed.get("IPv4Address"), "ipv6_address": fixed.get("IPv6Address")}
            found.append((name, {key: value for key, value in given.items() if value}))
    return sorted(found, key=lambda one: one[0] != main)


def stand_in_config(container: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    """Return how to make a container that is this one, but read-only and with ``labels``."""
    config = {key: value for key, value in container["Config"].items() if key not in ("Hostname", "MacAddress")}
    environment = [entry for entry in config.get("Env") or () if entry.partition("=")[0] != READ_ONLY]
    networks = user_networks(container)
    endpoints = {}
    for name, given in networks[:1]:
        fixed = {"IPv4Address": given.get("ipv4_address"), "IPv6Address": given.get("ipv6_address")}
        endpoints[name] = {
            "Aliases": given.get("aliases"),
            "Links": given.get("links"),
            "IPAMConfig": {key: value for key, value in fixed.items() if value} or None,
        }
    return {
        **config,
        "Image": container["Image"],  # its name may mean another one by now
        "Env": [*environment, f'{READ_ONLY}={{"enabled":true}}'],
        "Labels": {**(config.get("Labels") or {}), **labels},
        "HostConfig": {
            **container["HostConfig"],
            # Volumes without a name are found through the container that has them.
            "VolumesFrom": [*(container["HostConfig"].get("VolumesFrom") or ()), str(container["Id"])],
            # After a restart of the engine only the registry itself may come back.
            "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        },
        "NetworkingConfig": {"EndpointsConfig": endpoints},
    }


def beside_config(container: dict[str, Any], labels: dict[str, str], command: tuple[str, ...]) -> dict[str, Any]:
    """Return how to make a container of the same image, volumes and settings that runs a command of the registry on
    its configuration and ends. Raises ``ValueError`` when it cannot be seen where that lies."""
    made = stand_in_config(container, labels)
    entrypoint, words = list(made.get("Entrypoint") or ()), list(made.get("Cmd") or ())
    configs = [word for word in (*words, *entrypoint) if word.endswith((".yml", ".yaml"))]
    environment = dict(entry.partition("=")[::2] for entry in container["Config"].get("Env") or ())
    path = configs[0] if configs else environment.get("REGISTRY_CONFIGURATION_PATH", "")
    if not path:
        raise ValueError("Where the configuration of the registry lies cannot be seen from its container's command.")
    # `registry serve FILE`, `serve FILE`, or FILE alone, which the image's own script completes.
    first = words[: words.index("serve")] if "serve" in words else []
    if "serve" in entrypoint:
        entrypoint = entrypoint[: entrypoint.index("serve")]
    elif not entrypoint and not first and words and not words[0].endswith((".yml", ".yaml")):
        first = words[:1]
    host = {key: value for key, value in made["HostConfig"].items() if key not in ("PortBindings", "PublishAllPorts")}
    endpoints = made["NetworkingConfig"]["EndpointsConfig"]
    return {
        **made,
        "Env": [entry for entry in made["Env"] if not entry.startswith(f"{READ_ONLY}=")],
        "Entrypoint": entrypoint or None,
        "Cmd": [*first, *command, path],
        "Tty": False,
        "OpenStdin": False,
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {**host, "LogConfig": {"Type": "none", "Config": {}}},
        # Reachable by nobody under the registry's name.
        "NetworkingConfig": {"EndpointsConfig": {name: {"Links": one["Links"]} for name, one in endpoints.items()}},
    }


def described(api: APIClient, id_: str) -> str:
    """Return how a container ended and the last that it said, in one line."""
    state = api.inspect_container(id_)["State"]
    last = api.logs(id_, tail=1).decode("utf-8", "replace").split("\n")[0].strip()[:300]
    return f"{state.get('Status')}, exit code {state.get('ExitCode')}" + (f": {last}" if last else "")
