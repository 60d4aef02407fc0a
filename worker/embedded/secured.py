"""Listeners of the embedded Kafka that require TLS, a login, or both. The plain listener stays, for probes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

PROTOCOLS = ("SSL", "SASL_PLAINTEXT", "SASL_SSL")
_SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")
_LOGIN_MODULES = "org.apache.kafka.common.security"


@dataclass(frozen=True)
class Secured:
    """The certificate, the users and the permissions of a broker that has one listener for each of PROTOCOLS.

    `key` (PKCS #8) and `chain` are PEM texts. `users` maps names to passwords, both of letters, digits, dashes and
    underscores; users log in by PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512. Raise ValueError for any other user.
    With `client_authority`, a PEM text, the listener for SSL requires a certificate that this authority has issued.
    With `grants_only`, users may do only what they were granted; clients of the plain listener may do everything.
    Key and passwords are written to the broker's data directory; the passwords are also in the arguments of the process
    that formats it.
    """

    key: str = field(repr=False)
    chain: str
    users: Mapping[str, str] = field(repr=False)
    client_authority: str | None = None
    grants_only: bool = False

    def __post_init__(self) -> None:
        if not all(re.fullmatch(r"[\w-]+", word, re.ASCII) for user in self.users.items() for word in user):
            raise ValueError("users and passwords have letters, digits, dashes and underscores only")

    def properties(self) -> str:
        """Return the broker's settings for the listeners, without their addresses."""
        plain = " ".join(f'user_{name}="{password}"' for name, password in self.users.items())
        modules = {"plain": f"plain.PlainLoginModule required {plain};"}
        modules |= {mechanism.lower(): "scram.ScramLoginModule required;" for mechanism in _SCRAM}
        lines = [
            "ssl.keystore.type=PEM",
            f"ssl.keystore.key={_one_line(self.key)}",
            f"ssl.keystore.certificate.chain={_one_line(self.chain)}",
            f"sasl.enabled.mechanisms={','.join(('PLAIN', *_SCRAM))}",
            *(
                f"listener.name.{protocol.lower()}.{mechanism}.sasl.jaas.config={_LOGIN_MODULES}.{module}"
                for protocol in PROTOCOLS
                if protocol.startswith("SASL")
                for mechanism, module in modules.items()
            ),
        ]
        if self.client_authority is not None:
            lines += [
                "listener.name.ssl.ssl.client.auth=required",
                "listener.name.ssl.ssl.truststore.type=PEM",
                f"listener.name.ssl.ssl.truststore.certificates={_one_line(self.client_authority)}",
            ]
        if self.grants_only:
            lines += [
                "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users=User:ANONYMOUS",
            ]
        return "\n".join(lines) + "\n"

    def format_arguments(self) -> list[str]:
        """Return further arguments of the storage tool: PLAIN's users are settings, SCRAM's are part of the data."""
        return [
            argument
            for mechanism in _SCRAM
            for name, password in self.users.items()
            for argument in ("--add-scram", f"{mechanism}=[name={name},password={password}]")
        ]


def _one_line(pem: str) -> str:
    return pem.strip().replace("\n", "\\n")
