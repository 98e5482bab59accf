"""PURE: what a caller does about a refusal, by the rule that refused: the end of each message of the API about it."""

_ENCODED = (
    "send the proxy file in Base64 on one line, as the header PROXY: `base64 -w0 FILE` makes it, on macOS "
    "`base64 < FILE | tr -d '\\n'`"
)
_WHOLE_FILE = "send the whole proxy file as grid-proxy-init or voms-proxy-init wrote it, in Base64 on one line"
_NEW_PROXY = "make a new proxy by grid-proxy-init or voms-proxy-init"
_FULL_PROXY = "make a full proxy of your own certificate, by grid-proxy-init or voms-proxy-init without further options"
_NEW_KEY = f"{_NEW_PROXY}; if the key of your own certificate is meant, ask your CA for a new one"
_CLOCK = "compare the clock of the machine that made it, or wait until it is valid"
_CA = "ask your CA for a new certificate, then make a proxy of it"
_OPERATORS = "ask the operators of this service"
_ONCE = "send it once, as the header PROXY"

_RULES = {
    _ENCODED: "header-missing header-not-base64 header-url-safe",
    f"is the variable empty that it is made from, or the file's name wrong? {_ENCODED[0].upper()}{_ENCODED[1:]}": (
        "header-empty"
    ),
    f"is it the right file? {_WHOLE_FILE[0].upper()}{_WHOLE_FILE[1:]}": "header-too-long too-many-certificates",
    _ONCE: "header-doubled",
    f"was it cut off at a line break? {_ENCODED[0].upper()}{_ENCODED[1:]}": "pem-boundary pem-not-base64",
    _WHOLE_FILE: (
        "certificate-malformed certificate-missing der extension-duplicate issuer-ambiguous issuer-missing junk "
        "key-doubled key-format key-malformed key-missing key-not-of-leaf key-not-proven not-pem nul-byte "
        "pkcs12 proxy-info-duplicate proxy-info-malformed path-invalid signature-invalid"
    ),
    _NEW_PROXY: (
        "key-encrypted proxy-expired proxy-alternative-name proxy-info-critical proxy-is-ca proxy-last-rdn "
        "proxy-missing proxy-signed-by-ca proxy-subject ca-as-credential end-entity-by-proxy end-entity-is-ca"
    ),
    _FULL_PROXY: (
        "chain-too-deep proxy-independent proxy-limited proxy-mixed proxy-path-length proxy-policy proxy-type "
        "proxy-widened"
    ),
    _NEW_KEY: "key-algorithm key-curve rsa-exponent rsa-too-large rsa-too-small signature-weak",
    _CLOCK: "certificate-not-yet-valid proxy-not-yet-valid",
    _CA: (
        "certificate-expired certificate-serial certificate-version critical-extension extended-key-usage key-usage "
        "name-ambiguous name-blanks name-characters name-empty name-too-long name-unreadable revoked"
    ),
    _OPERATORS: (
        "ca-expired ca-incomplete ca-key-usage ca-not-ca ca-not-yet-valid ca-path-length ca-unknown crl-missing "
        "crl-signature crl-stale crl-unreadable crl-weak issuer-not-ca name-constraints signing-policy "
        "signing-policy-missing"
    ),
    f"{_OPERATORS} to map it to an account in the grid-mapfile": "dn-unmapped mapping-disputed account-forbidden",
    "look at the proxy that you send; the address is heard again when the time is over": "too-many-refusals",
}
REMEDIES = {rule: remedy for remedy, rules in _RULES.items() for rule in rules.split()}
"""What to do, a part of a sentence, for every rule."""

_LONGEST_NAME = 300  # characters


def describe_refusal(rule: str, message: str, dn: str = "") -> str:
    """Return a refusal as its caller reads it: the rule, its message, the caller's own `dn` if known, what to do."""
    shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in dn[:_LONGEST_NAME])
    whose = f": {shown}{'...' if len(dn) > _LONGEST_NAME else ''}" if dn else ""
    remedy = REMEDIES.get(rule)
    return f"{rule}: {message}{whose}" + (f"; {remedy}" if remedy else "")
