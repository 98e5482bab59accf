"""What can go wrong between the service and a cluster; each error says whether the command may have run."""

from clusters.bounds import message as bounded

_LONGEST = 2_000  # characters of a message


class ClusterError(Exception):
    """A cluster could not be asked, or did not give an answer that can be used.

    Messages repeat what a login node has said, and go into answers, rows and logs. So all of them are bounded here.
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
    """The login was accepted, but the account's shell ran no command: nothing was started for the caller."""


class Refused(ClusterError):
    """The login node does not let this account in, or it is an account that this service never becomes."""


class BrokenOff(Refused):
    """The login node broke the login off after it had shown its host key, as it does where PAM refuses the account.

    `explained`: it has said why.
    """

    def __init__(self, message: str, *, explained: bool) -> None:
        super().__init__(message)
        self.explained = explained


class TimedOut(ClusterError):
    """The command was started, and its end was not seen in time: it may have run, may still be running, or neither.

    `stdout` holds what had come by then, errors included.
    """

    def __init__(self, message: str, *, stdout: bytes = b"") -> None:
        super().__init__(message)
        self.stdout = stdout


class Interrupted(TimedOut):
    """The connection was lost while the command ran: what has come of it is as open as after a time-out."""


class Silent(TimedOut):
    """The connection has fallen silent on all channels: as open as after a time-out, and it is not used again."""


class Malformed(ClusterError):
    """An answer is not understood, or was cut; the message shows the line."""


class Failed(ClusterError):
    """A command ran and failed; the message has what it printed."""


class TooMuch(ClusterError):
    """An answer would have more than is read; the message says what there is too much of."""
