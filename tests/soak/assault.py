"""A user who attacks beside the load: logins that sleep or talk rubbish, slow readers, waiters, unfinished requests."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.harness.client import Client
from tests.harness.instance import Instance
from tests.live.attacks.attacker import ADDRESS, STRIKE, Attacker
from tests.live.attacks.crowd import Crowd, Reading

_BIG = 256 * 1024 * 1024  # bytes of an output file with holes

# One login after another: silence, the end of the world as an epoch, noise for two seconds, and an honest one.
_LOGIN = f"""{STRIKE}
case $(($(wc -l < ~/strikes) % 4)) in
    0) exec sleep 40;;
    1) _marker=$(printf %s "$BASH_EXECUTION_STRING" | grep -oE -e '--[0-9a-f]{{32}}--' | head -n 1)
       printf '%s\\n%s\\n' "$_marker" '1|root|RUNNING|99999999999999999999|1|1|1|99999999999|1|n1|x'
       printf '\\n%s 0\\n' "$_marker" "$_marker" "$_marker"; exit 0;;
    2) exec timeout 2 nice yes '4711|nobody|PENDING|1700000000|N/A|N/A|0:00|1|1||x';;
esac
"""


@contextmanager
def assault(instance: Instance) -> Iterator[Attacker]:
    """Attack `instance` as the last of its accounts meanwhile, on the first of its clusters, by every means at once."""
    proxy = instance.sandbox.proxies[len(instance.accounts) - 1]
    client = Client(f"http://127.0.0.1:{instance.port}", proxy, address=ADDRESS)
    attacker = Attacker(instance.accounts[-1], client, proxy, instance.registry)
    cluster = instance.clusters[0]
    with ExitStack() as stack:
        stack.callback(client.close)
        folder = stack.enter_context(attacker.folder("assault"))
        (folder / "large").touch()
        os.truncate(folder / "large", _BIG)
        jobs = [attacker.hold(cluster, "#SBATCH -o large", directory=str(folder)) for _ in range(8)]
        stack.enter_context(attacker.starting_up(_LOGIN))
        for crowd in _crowds(instance.port, attacker, jobs, [attacker.order(each) for each in instance.clusters]):
            stack.enter_context(crowd)
        yield attacker


def _crowds(port: int, attacker: Attacker, jobs: list[str], orders: list[bytes]) -> list[Crowd]:
    """Return everybody who comes at once: more than the web server has threads."""
    paths = [f"/api/jobs/{job}" for job in jobs]
    abort = b'{"action": "abort"}'
    asked = [attacker.request("GET", f"{path}?refresh=true") for path in paths[:4]]
    ended = [attacker.request("PUT", path, abort) for path in paths[4:6]]
    waiting = attacker.request("GET", paths[7], headers={"Prefer": "wait=60"})
    unfinished = attacker.request("POST", "/api/jobs", headers={"Content-Length": "1000000"}) + b"{"
    return [
        Crowd(port, [attacker.request("GET", f"{paths[7]}/stdout")], 40, reading=Reading.NOT),
        Crowd(port, [waiting], 100),
        Crowd(port, asked + ended, 12),
        Crowd(port, orders, 8, pause=20),  # each is a job that SLURM keeps
        Crowd(port, [unfinished], 20, drip=b" "),
    ]
