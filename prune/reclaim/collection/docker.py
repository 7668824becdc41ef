"""A registry's garbage collection in a container beside the one that is held: same image, same volumes."""

import queue
import threading
from contextlib import closing, suppress
from typing import Any

from docker import APIClient
from docker.errors import APIError, DockerException
from requests import Response
from requests.exceptions import RequestException

from prune.model.errors import PruneError, SourceError
from prune.reclaim.collection.base import CollectionFailed, Eligible, Look
from prune.reclaim.collection.output import Output
from prune.reclaim.control.base import Former
from prune.reclaim.control.container import beside_config
from prune.reclaim.control.docker import BESIDE, DockerControl
from prune.sources.docker_engine.client import connect, spoken

#: Seconds that a collection may be silent: it marks for long before it says anything.
PATIENCE = 24 * 3600


class DockerCollector:
    """The collection of the registry that ``control`` holds."""

    words = "the registry's own garbage collection removes the blobs"

    def __init__(self, control: DockerControl) -> None:
        self.control = control

    def dry_run(self, former: Former, look: Look) -> Eligible:
        """See ``Collector``."""
        return self._run(former, ("--dry-run",), "trying the garbage collection", look)

    def collect(self, former: Former, look: Look) -> Eligible:
        """See ``Collector``. Never with ``-m``: that takes the parts of indexes, and signatures."""
        return self._run(former, (), "collecting garbage", look)

    def _run(self, former: Former, options: tuple[str, ...], what: str, look: Look) -> Eligible:
        url = self.control.engine
        try:
            with spoken(url), connect(url, self.control.seconds + 30) as api:
                found = api.inspect_container(former["container"])
                self.control.clear(api, former, BESIDE)
                config = beside_config(found, {BESIDE: former["container"]}, ("garbage-collect", *options))
                made = str(api.create_container_from_config(config)["Id"])
                try:
                    return self._followed(api, made, what, look)
                finally:
                    api.remove_container(made, force=True, v=False)
        except CollectionFailed:
            raise
        except (SourceError, ValueError) as error:
            raise CollectionFailed(str(error)) from None

    def _followed(self, api: APIClient, id_: str, what: str, look: Look) -> Eligible:
        """Start the container and take in what it says until it ends."""
        output = Output()
        errors = ""
        lines: queue.SimpleQueue[tuple[bytes | None, bytes | None] | None] = queue.SimpleQueue()
        with closing(connect(self.control.engine, PATIENCE)) as other:
            # A stream that is closed leaves the answer behind it open.
            answers: list[Response] = []
            other.hooks["response"].append(lambda answer, **_: answers.append(answer))
            # Before it starts: not a line is missed, whatever becomes of its log.
            stream = other.attach(id_, stdout=True, stderr=True, stream=True, demux=True)
            reader = threading.Thread(target=_read, args=(stream, lines), name="garbage collection", daemon=True)
            reader.start()
            try:
                api.start(id_)
                rest = b""
                while (part := _next(lines, lambda: look(what, output.marked))) is not None:
                    out, err = part
                    *whole, rest = (rest + (out or b"")).split(b"\n")
                    for line in whole:
                        output.line(line.decode("utf-8", "replace"))
                    errors = (errors + (err or b"").decode("utf-8", "replace"))[-2000:]
                    look(what, output.marked)
                output.line(rest.decode("utf-8", "replace"))
                code = int(api.wait(id_)["StatusCode"])
            finally:
                with suppress(APIError):  # it has ended, or was never started
                    api.kill(id_)
                stream.close()
                reader.join(30)
                for answer in answers:
                    with suppress(OSError, ValueError):  # its socket is closed already
                        answer.close()
        if code != 0:
            said = (errors.strip() or output.last).splitlines()[-1:] or [""]
            raise CollectionFailed(f"The garbage collection ended with exit code {code}: {said[0][-300:]}")
        return output.eligible()


def _next(lines: "queue.SimpleQueue[Any]", look: Any) -> tuple[bytes | None, bytes | None] | None:
    """Return the next part of the output, ``None`` at its end; take a look each second until it comes."""
    while True:
        try:
            part: tuple[bytes | None, bytes | None] | None = lines.get(timeout=1)
        except queue.Empty:
            look()
        else:
            return part


def _read(stream: Any, lines: "queue.SimpleQueue[Any]") -> None:
    try:
        for part in stream:
            lines.put(part)
    except (DockerException, RequestException, PruneError, OSError, ValueError):
        pass  # what is missing then is missed: without its last lines an output is not understood
    finally:
        lines.put(None)
