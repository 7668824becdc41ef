"""A real Docker Engine with folders and a socket of its own, and the images that tests put into it."""

import contextlib
import io
import re
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

import docker

from tests.servers import Registry, free_port

#: A root file system for `FROM`: enough to sleep and to be stopped.
PROGRAMS = ("/bin/sleep", "/bin/true")
REGISTRY = "/usr/bin/docker-registry"
REGISTRY_CONFIG = """version: 0.1
log: {level: warn}
storage:
  filesystem: {rootdirectory: /var/lib/registry}
  delete: {enabled: true}
http:
  addr: 127.0.0.1:5000
"""


class Engine:
    """dockerd without bridges and firewall rules; containers use the network of the machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "sock"
        self.url = f"unix://{self.socket}"
        self.source = f"docker:{self.url}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Engine":
        self.folder.mkdir(parents=True, exist_ok=True)
        command = ["dockerd", "--bridge=none", "--iptables=false", "--storage-driver=vfs", "--log-level=warn"]
        for option, name in (("data-root", "data"), ("exec-root", "exec"), ("pidfile", "pid")):
            command += [f"--{option}", str(self.folder / name)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*command, "-H", self.url], stdout=log, stderr=log)
        self.client = docker.DockerClient(base_url=self.url, version="auto", timeout=60) if self._up() else None
        assert self.client is not None, (self.folder / "log").read_text()[-3000:]
        self.api = self.client.api
        return self

    def _up(self) -> bool:
        for _ in range(900):
            if self.process.poll() is not None:
                return False
            if self.socket.exists():  # perhaps that of one that was killed
                with (
                    contextlib.suppress(docker.errors.DockerException, OSError),
                    docker.APIClient(base_url=self.url) as probe,
                ):
                    return bool(probe.ping())
            time.sleep(0.1)
        return False

    def stop(self) -> None:
        if self.process is not None:
            self.client.close()
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def kill(self) -> None:
        """Kill it as nothing can be prepared for; containers are left to themselves."""
        self.client.close()
        self.process.kill()
        self.process.wait()
        # Its own containerd dies with it. Where nobody takes note of that death, the next one would wait for it.
        (self.folder / "exec/containerd/containerd.pid").unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove its folder, with what it left mounted there."""
        for line in Path("/proc/self/mounts").read_text().splitlines()[::-1]:
            target = line.split()[1]
            if Path(target).is_relative_to(self.folder):
                subprocess.run(["umount", target], check=True)
        shutil.rmtree(self.folder)

    # ---- images -------------------------------------------------------------------------------------------

    def pack(self, name: str, files: dict[str, bytes | Path], *changes: str) -> str:
        """Import an image of one layer made of ``files``; return its id."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for path, content in files.items():
                info = tarfile.TarInfo(path.lstrip("/"))
                body = content.read_bytes() if isinstance(content, Path) else content
                info.size, info.mode = len(body), 0o755
                tar.addfile(info, io.BytesIO(body))
        repository, _, tag = name.rpartition(":")
        self.api.import_image_from_data(packed.getvalue(), repository=repository, tag=tag, changes=list(changes))
        return self.id(name)

    def build(self, dockerfile: str, *tags: str, **files: bytes) -> str:
        """Build with the engine's own builder; return the id."""
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w") as tar:
            for name, body in {"Dockerfile": dockerfile.encode(), **files}.items():
                info = tarfile.TarInfo(name)
                info.size = len(body)
                tar.addfile(info, io.BytesIO(body))
        context.seek(0)
        image, _ = self.client.images.build(fileobj=context, custom_context=True, rm=True)
        for tag in tags:
            image.tag(*tag.rsplit(":", 1))
        return image.id

    def id(self, name: str) -> str:
        return self.api.inspect_image(name)["Id"]

    def names(self) -> dict[str, str]:
        """Every tag with its image id."""
        return {
            tag: image["Id"]
            for image in self.api.images(all=True)
            for tag in image["RepoTags"] or ()
            if "<" not in tag
        }

    def ids(self) -> set[str]:
        return {image["Id"] for image in self.api.images(all=True)}

    def layer_bytes(self) -> int:
        """How much the engine says that the layers of all images take."""
        return self.api.df()["LayersSize"]

    def clear(self, *keep: str) -> None:
        """Remove all containers, and all images but those with a tag in ``keep``."""
        for container in self.api.containers(all=True):
            self.api.remove_container(container["Id"], force=True, v=True)
        for volume in self.api.volumes()["Volumes"] or ():
            self.api.remove_volume(volume["Name"], force=True)
        for _ in range(20):
            left = [
                image for image in self.api.images(all=True) if not set(image["RepoTags"] or ()).intersection(keep)
            ]
            if not left:
                return
            for image in left:
                try:
                    self.api.remove_image(image["Id"], force=True)
                except docker.errors.APIError:
                    continue  # another one is based on it; its turn comes


def libraries(*programs: str) -> dict[str, bytes | Path]:
    """The programs with every library that they load, by path."""
    files: dict[str, bytes | Path] = {}
    for program in programs:
        files[program] = Path(program).resolve()
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        for library in re.findall(r"(/\S+) \(0x", listed):
            files[library] = Path(library).resolve()
    return files


class RegistryContainer(Registry):
    """A real registry in a container of an engine, its storage on a volume."""

    def __init__(self, engine: Engine, name: str, *, image: str = "registry:2", **options) -> None:
        self.engine, self.name = engine, name
        self.port = free_port()
        self.volume = engine.api.create_volume(f"{name}-storage")
        self.root = Path(self.volume["Mountpoint"])
        self.container = engine.client.containers.create(
            image,
            name=name,
            network_mode="host",
            environment={"REGISTRY_HTTP_ADDR": f"127.0.0.1:{self.port}", **options.pop("environment", {})},
            volumes={f"{name}-storage": {"bind": "/var/lib/registry", "mode": "rw"}},
            **options,
        )
        self.start()

    def start(self) -> None:
        self.container.start()
        self.await_answer()

    def await_answer(self) -> None:
        """Wait until the registry answers: one that was given back has been started, and may need a moment."""
        over = time.monotonic() + 60
        while not self.serves():
            assert time.monotonic() < over, self.container.logs()
            time.sleep(0.05)

    def pull_all(self) -> dict[tuple[str, str], dict[str, bytes]]:
        self.await_answer()
        return super().pull_all()

    def stop(self) -> None:
        self.container.stop(timeout=30)

    @property
    def source(self) -> str:
        return f"storage:{self.root}"

    def attributes(self) -> dict:
        """What the engine says of the container, but for what changes whenever it is started."""
        self.container.reload()
        found = {
            key: self.container.attrs[key] for key in ("Id", "Name", "Config", "HostConfig", "Mounts", "RestartCount")
        }
        return {**found, "Running": self.container.attrs["State"]["Running"]}

    def serves(self) -> bool:
        with contextlib.suppress(OSError):
            return self.get("/v2/")[0] == 200
        return False
