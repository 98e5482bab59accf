"""The faults of a soak: each breaks one thing for some moments and then lets it be."""

import random
import signal
import time
from collections.abc import Callable, Sequence

from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import Instance
from tests.harness.relay import Action, Direction, Fault

_BODIES = {
    "accepts and stalls": '"$real" "$@" > /dev/null; sleep 130',
    "stalls and accepts": 'sleep 2; exec "$real" "$@"',
    "accepts and fails": '"$real" "$@"; exit 1',
    "accepts in silence": '"$real" "$@" > /dev/null',
    "times out with a job": '"$real" "$@" > /dev/null; echo "sbatch: error: Socket timed out" >&2; exit 1',
    "times out without a job": 'echo "sbatch: error: Socket timed out" >&2; exit 1',
    "talks before and after": 'echo "sbatch: lua: hello"; "$real" "$@"; echo "1 more thing"',
    "never stops to talk": '"$real" "$@"; while :; do echo noise; done',
    "dies": '"$real" "$@" > /dev/null; kill -9 $$',
}


class Chaos:
    """Breaks something of `instance` at random, one thing at a time."""

    def __init__(self, instance: Instance, clusters: Sequence[FaultCluster], dice: random.Random) -> None:
        self._dice = dice
        self._instance = instance
        self._clusters = clusters
        self._kinds: dict[Callable[[], str], int] = {  # with how often each comes
            self._byte: 8,
            self._cut: 3,
            self._stall: 3,
            self._shut: 2,
            self._sbatch: 8,
            self._kill_web: 2,
            self._kill_worker: 2,
            self._restart_node: 2,
            self._freeze_node: 1,
            self._restart_postgres: 1,
            self._kill_redis: 1,
            self._flush_redis: 2,
            self._freeze_controller: 1,
        }

    def until(self, deadline: float, is_enough: Callable[[], bool]) -> None:
        """Break things until `deadline` (monotonic seconds) and until it is enough, and say what."""
        while time.monotonic() < deadline or not is_enough():
            time.sleep(self._dice.uniform(0.3, 1.5))
            [kind] = self._dice.choices(list(self._kinds), list(self._kinds.values()))
            print(f"{time.strftime('%H:%M:%S')} {kind()}", flush=True)
        self.heal()

    def heal(self) -> None:
        """Let everything be whole again."""
        for cluster in self._clusters:
            cluster.relay.heal()
            cluster.restore()
        for part in (self._instance.web, self._instance.worker, self._instance.beat):
            part.revive()
        self._instance.web.wait()

    def _cluster(self) -> FaultCluster:
        return self._dice.choice(self._clusters)

    def _byte(self) -> str:
        cluster = self._cluster()
        action = self._dice.choice(list(Action))
        direction = self._dice.choice(list(Direction))
        fault = Fault(action, direction, self._dice.randrange(6000), seconds=2)
        cluster.relay.arm(fault)
        time.sleep(2)
        cluster.relay.heal()
        return f"{cluster.host}: {fault.action.name} at byte {fault.after} {fault.direction.value}"

    def _cut(self) -> str:
        cluster = self._cluster()
        cluster.relay.cut()
        return f"{cluster.host}: cut"

    def _stall(self) -> str:
        cluster = self._cluster()
        cluster.relay.stall()
        time.sleep(self._dice.uniform(1, 12))
        cluster.relay.heal()
        return f"{cluster.host}: stalled, then late"

    def _shut(self) -> str:
        cluster = self._cluster()
        cluster.relay.shut()
        time.sleep(1)
        cluster.relay.heal()
        return f"{cluster.host}: shut"

    def _sbatch(self) -> str:
        cluster = self._cluster()
        name = self._dice.choice(list(_BODIES))
        cluster.replace("sbatch", _BODIES[name])
        time.sleep(2)
        cluster.restore()
        return f"{cluster.host}: sbatch {name}"

    def _kill_web(self) -> str:
        self._instance.web.kill()
        self._instance.web.start()
        return "web server killed"

    def _kill_worker(self) -> str:
        self._instance.worker.kill()
        self._instance.worker.start()
        return "worker killed"

    def _restart_node(self) -> str:
        self._instance.node.restart()
        return "sshd restarted"

    def _freeze_node(self) -> str:
        with self._instance.node.frozen():
            time.sleep(2)
        return "sshd frozen"

    def _restart_postgres(self) -> str:
        self._instance.postgres.daemon.stop(signal.SIGINT)
        self._instance.postgres.daemon.start()
        return "PostgreSQL restarted"

    def _kill_redis(self) -> str:
        self._instance.redis.daemon.kill()
        self._instance.redis.daemon.start()
        for part in (self._instance.worker, self._instance.beat):
            part.revive()
        return "Redis killed"

    def _flush_redis(self) -> str:
        self._instance.redis.flush()
        return "Redis emptied"

    def _freeze_controller(self) -> str:
        with self._instance.controller.frozen():
            time.sleep(2)
        return "slurmctld frozen"
