"""Reads the one kind of object that Helm writes as protobuf: the Secrets of its releases.

https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
"""

from base64 import b64encode

MAGIC = b"k8s\0"
"""What a body begins with; the second field of the message behind it is the object."""


def _fields(message):
    """Return the fields of a protobuf message by their numbers: integers, and bytes of all else."""
    found, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = number()
        value = number()
        if key & 7 == 2:
            value, at = message[at : at + value], at + value
        found.setdefault(key >> 3, []).append(value)
    return found


def secret(body):
    """Return the Secret that is the body of a request."""

    def mapping(entries):
        return {entry[1][0].decode(): entry[2][0] for entry in map(_fields, entries)}

    message = _fields(_fields(body.removeprefix(MAGIC))[2][0])
    metadata = _fields(message[1][0])
    labels = {name: value.decode() for name, value in mapping(metadata.get(11, [])).items()}
    return {
        "metadata": {"name": metadata[1][0].decode(), "labels": labels},
        "type": message[3][0].decode(),
        "data": {name: b64encode(value).decode() for name, value in mapping(message.get(2, [])).items()},
    }
