"""The marshmallow fields and checks with which settings are read."""

from __future__ import annotations

from email.errors import NonASCIILocalPartDefect, ObsoleteHeaderDefect
from email.headerregistry import HeaderRegistry
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from marshmallow import ValidationError, fields

from scheduling.logs import printable
from scheduling.times import zone_names

if TYPE_CHECKING:
    from collections.abc import Mapping

# Messages are predicates, so that "<field> <message>" is a sentence for people.
fields.Field.default_error_messages |= {
    "required": "is required",
    "null": "must not be null",
    "validator_failed": "is invalid",
}
fields.List.default_error_messages |= {"invalid": "must be a list"}
fields.String.default_error_messages |= {"invalid": "must be a string", "invalid_utf8": "must be UTF-8"}
fields.Integer.default_error_messages |= {"invalid": "must be a whole number"}


class Origins(fields.Field[list[str]]):
    """Origins as browsers send them (RFC 6454, 6.2), or ``*`` for all; separated as words are."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> list[str]:
        origins = str(value).replace(",", " ").split()
        wrong = [origin for origin in origins if origin != "*" and not _is_origin(origin)]
        if wrong:
            raise ValidationError(
                f"must be origins as browsers send them, such as https://app.example.com, or * alone; "
                f"these are none: {' '.join(map(printable, wrong))}"
            )
        return origins


def _is_origin(text: str) -> bool:
    """Tell whether it is scheme, host and perhaps a port, in the one spelling that a browser has for it."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    spelled = f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, usual) else "")
    return bool(host) and "*" not in text and text.isascii() and text == spelled


class Networks(fields.Field[list[IPv4Network | IPv6Network]]):
    """Networks such as ``10.0.0.0/8``, or single addresses; separated as words are."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **options: Any
    ) -> list[IPv4Network | IPv6Network]:
        words = str(value).replace(",", " ").split()
        networks = {word: _network(word) for word in words}
        wrong = [word for word, network in networks.items() if network is None]
        if wrong:
            raise ValidationError(
                "must be networks such as 10.0.0.0/8 or fd00::/8, or addresses; these are none: "
                + " ".join(map(printable, wrong))
            )
        return [network for network in networks.values() if network is not None]


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        network = ip_network(text)
    except ValueError:
        return None
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is None or network.prefixlen < 96:
        return network
    # Clients' addresses are compared as IPv4, also where the server sees them mapped (RFC 4291, 2.5.5.2).
    return IPv4Network((mapped, network.prefixlen - 96))


class ZoneName(fields.String):
    """The name of a time zone in the IANA database, such as ``Europe/Berlin``."""

    default_error_messages = {"invalid": "must be a string"}  # noqa: RUF012

    def __init__(self, **options: Any) -> None:
        super().__init__(validate=_is_zone_name, **options)


def _is_zone_name(value: str) -> None:
    if value not in zone_names():
        raise ValidationError("must be the IANA name of a time zone, such as Europe/Berlin")


class Words(fields.Field[list[str]]):
    """A list of words, separated by spaces, commas or line ends."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> list[str]:
        return str(value).replace(",", " ").split()


class Secret(fields.String):
    """A secret, without the line end that a file of it may have."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        return str(super()._deserialize(value, attr, data, **options)).strip()


class Secrets(fields.Field[list[str]]):
    """Secrets, separated by white space."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> list[str]:
        return str(value).split()


# A name with a dot in it, and an address of letters beyond ASCII (RFC 6532), are read by everybody.
_HARMLESS_DEFECTS = (ObsoleteHeaderDefect, NonASCIILocalPartDefect)

_NO_SENDER = (
    "must be one address, with a name or without, such as: Scheduling <noreply@example.com>; "
    'a name with other signs than letters, digits and spaces is quoted: "Example, Inc." <noreply@example.com>'
)


def is_sender(value: str) -> None:
    """Raise ``ValidationError`` for what is not one mailbox as the field From can have it (RFC 5322, 3.4)."""
    try:
        header: Any = HeaderRegistry()("From", value)
        defects = [defect for defect in header.defects if not isinstance(defect, _HARMLESS_DEFECTS)]
        [group] = header.groups
        [address] = group.addresses
        address.domain.encode("idna")
    # The parser raises an IndexError for an address that ends too early.
    except (ValueError, IndexError) as error:
        raise ValidationError(_NO_SENDER) from error
    if defects or group.display_name is not None or not (address.username and address.domain):
        raise ValidationError(_NO_SENDER)


_UNREADABLE_BROKER = (
    "cannot be read as redis://user:password@host:6379/0; where the user or the password has one of "
    "@ / : ? # % ; it is written as %40 %2F %3A %3F %23 %25 %3B"
)


def is_broker_url(value: str) -> None:
    """Check one URL, or several with semicolons between them, as Kombu takes them."""
    try:
        urls = [urlsplit(url) for url in value.split(";")]
        hosts = [(url.hostname, url.port) for url in urls]
    # An error's text can have a part of the password.
    except ValueError:
        raise ValidationError(_UNREADABLE_BROKER) from None
    schemes = {url.scheme for url in urls}
    if not schemes <= {"memory", "redis", "rediss", "sentinel"}:
        raise ValidationError("must start with redis://, rediss://, sentinel:// or memory://")
    if len(schemes) > 1:
        raise ValidationError("must be URLs of one kind")
    if any(url.fragment or "@" in url.path or url.netloc.count("@") > 1 for url in urls) or (
        schemes != {"memory"} and not all(host for host, _ in hosts)
    ):
        raise ValidationError(_UNREADABLE_BROKER)
    options = [parse_qs(url.query, keep_blank_values=True) for url in urls]
    # Any of these options makes Kombu use TLS, whatever the scheme is.
    encrypted = schemes == {"rediss"} or any(name.startswith("ssl_") for given in options for name in given)
    if encrypted and not all(map(_is_verified, options)):
        raise ValidationError(
            "must have ?ssl_cert_reqs=required in every URL, and no ssl_check_hostname=false, "
            "or nobody knows whom it talks to"
        )


def _is_verified(options: Mapping[str, list[str]]) -> bool:
    required = options.get("ssl_cert_reqs") in (["required"], ["CERT_REQUIRED"])
    return required and not any(given.lower() == "false" for given in options.get("ssl_check_hostname", []))
