"""What can go wrong on the way to a cluster and back: the question each answers is whether the command may have run."""

from clusters.bounds import message as bounded

_LONGEST = 2_000  # characters of a message


class ClusterError(Exception):
    """A cluster could not be asked, or its answer could not be had.

    Messages repeat what a login node said. They go into answers, rows and logs, so they are bounded here, once for all.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(bounded(message, _LONGEST))


class Unreachable(ClusterError):
    """The command was never started: no connection, no channel, or a host key that is not the pinned one."""


class NoRoom(Unreachable):
    """The connection is alive, but the login node opens no further channel on it now."""


class Busy(Unreachable):
    """Too many calls, of this account or of all, are under way already; the login node was not asked."""


class Unresponsive(Unreachable):
    """The login was accepted, and the account's shell came to no command: nothing was started for the caller."""


class Refused(ClusterError):
    """The login node does not let this account in, or it is an account that this service never becomes."""


class BrokenOff(Refused):
    """The login node broke the login off after it had shown its host key, as it does where PAM refuses the account.

    `explained`: it said why.
    """

    def __init__(self, message: str, *, explained: bool) -> None:
        super().__init__(message)
        self.explained = explained


class TimedOut(ClusterError):
    """The command was started and its end was not seen in time: it may have run, may still run, or neither.

    `stdout` holds what had come by then, errors included.
    """

    def __init__(self, message: str, *, stdout: bytes = b"") -> None:
        super().__init__(message)
        self.stdout = stdout


class Interrupted(TimedOut):
    """The connection was lost while the command ran: as open as a time-out, only sooner."""


class Silent(TimedOut):
    """The connection says nothing any more, on any channel: as open as a time-out, and it is not used again."""


class Malformed(ClusterError):
    """An answer has a line that is not understood; the message shows the line."""


class Failed(ClusterError):
    """A command ran and says that it failed; the message holds its own words."""


class TooMuch(ClusterError):
    """An answer would be larger than is read; the message says what there is too much of."""
