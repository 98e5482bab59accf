"""What can be wrong with a caller: one exception for each way of saying no."""


class Refused(Exception):
    """A caller is not let in; `rule` is the name of what failed, `message` a sentence without a byte of the header."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(f"{rule}: {message}")
        self.rule = rule
        self.message = message


class Malformed(Refused):
    """What was sent is not a proxy credential at all: encoding, PEM, DER or key format."""


class NotAllowed(Refused):
    """A credential that can be read, and that the rules, the trust directory or the policy refuse."""


class NoAccount(Refused):
    """A valid credential whose owner has no account here; the only refusal that names its DN."""

    def __init__(self, rule: str, message: str, dn: str) -> None:
        super().__init__(rule, message)
        self.dn = dn


class Unreadable(Exception):
    """A file of the operators (CA, CRL, signing policy, grid-mapfile) that cannot be read or understood."""
