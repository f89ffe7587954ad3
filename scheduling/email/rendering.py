"""E-mail templates: for each kind a subject, a text and an HTML body, which operators can replace.

A kind's base name such as ``bookings/cancelled`` stands for three Jinja files in the package's
``templates`` folder: ``cancelled.subject.txt``, ``cancelled.txt`` and ``cancelled.html``. A file of the
same name in the folder of the setting ``scheduling.email_templates`` comes first.

What the files are given and can call is in ``environment.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import jinja2

from scheduling.config.directives import register
from scheduling.email.brand import Brand
from scheduling.email.environment import make_environment
from scheduling.email.untrusted import looks_like_a_name, shown
from scheduling.exceptions import StartupError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyramid.config import Configurator

    from scheduling.db.session import Session
    from scheduling.messaging.consumers import Message

    Wanted = Callable[[Session, Mapping[str, Any]], bool]
    Load = Callable[[Session, Sequence[Message]], Sequence[Mapping[str, Any] | None]]


@dataclass(frozen=True)
class Rendered:
    """A rendered e-mail; the subject is one line."""

    to_name: str
    """What the reader is called, or an empty string."""

    subject: str
    text: str
    html: str


class Templates:
    """The templates of all kinds of e-mail that core and the plugins registered, and their rendering."""

    def __init__(self, override_folder: str, brand: Brand | None = None) -> None:
        self._brand = brand or Brand()
        self._loaders: dict[str, jinja2.BaseLoader] = {"": jinja2.PackageLoader("scheduling.email")}
        self._override = [jinja2.FileSystemLoader(override_folder)] if override_folder else []
        self._bases: dict[str, str] = {}
        self.samples: dict[str, Mapping[str, Any]] = {}
        """Data with which each kind can be previewed."""
        self._loads: dict[str, Load] = {}
        self._urgent: set[str] = set()
        self._on_ambiguous: dict[str, str] = {}
        self._unconfirmed: set[str] = set()
        self._environment = make_environment()

    def add(
        self,
        kind: str,
        base: str,
        package: str,
        sample: Mapping[str, Any],
        load: Load | None = None,
        on_ambiguous: str = "resend",
        *,
        unconfirmed: bool = False,
        urgent: bool = False,
    ) -> None:
        """Add a kind whose files are in a package; raise ``StartupError`` if one is missing or broken."""
        if unconfirmed:
            self._unconfirmed.add(kind)
        if urgent:
            self._urgent.add(kind)
        self._on_ambiguous[kind] = on_ambiguous
        if load is not None:
            self._loads[kind] = load
        self._loaders.setdefault(package, jinja2.PackageLoader(package))
        self._environment.loader = jinja2.ChoiceLoader([*self._override, *self._loaders.values()])
        self._bases[kind] = base
        self.samples[kind] = sample
        try:
            self.render(kind, "Alex Example", sample)
        except jinja2.TemplateError as error:
            raise StartupError(f"The e-mail template {base} of {kind} is broken: {error}") from error

    def is_urgent(self, kind: str) -> bool:
        """Tell whether e-mails of this kind overtake all others."""
        return kind in self._urgent

    def load(self, kind: str, db: Session, messages: Sequence[Message]) -> Sequence[Mapping[str, Any] | None]:
        """Return what each message of a kind shows now; None for one that nobody needs any more.

        Raises whatever the plugin's function does, and TypeError for what it may not return.
        """
        load = self._loads.get(kind)
        if load is None:
            return [message.payload["data"] for message in messages]
        shown = load(db, messages)
        if len(shown) != len(messages):
            raise TypeError(f"load of {kind} returned {len(shown)} values for {len(messages)} messages")
        if not all(isinstance(data, Mapping | None) for data in shown):
            raise TypeError(f"load of {kind} returned what is neither a mapping nor None")
        return shown

    def on_ambiguous(self, kind: str) -> str:
        """Return what is done where nobody knows whether an e-mail was accepted: ``resend`` or ``hold``."""
        return self._on_ambiguous[kind]

    def render(
        self, kind: str, name: str, data: Mapping[str, Any], zone: str = "UTC", *, optional: bool = False
    ) -> Rendered:
        """Render a kind for the person ``name`` in a time zone; raise KeyError for an unknown kind.

        What is ``optional`` says where users switch it off.
        """
        base = self._bases[kind]
        if kind in self._unconfirmed and not looks_like_a_name(name):
            name = ""
        values = {"name": name, "zone": zone, "data": data, "brand": self._brand, "optional": optional}
        subject, text, html = (
            self._environment.get_template(base + ending).render(values)
            for ending in (".subject.txt", ".txt", ".html")
        )
        return Rendered(shown(name), " ".join(subject.split()), text, html)


def add_email_template(
    config: Configurator,
    kind: str,
    base: str,
    sample: Mapping[str, Any],
    *,
    load: Load | None = None,
    wanted: Wanted | None = None,
    on_ambiguous: Literal["resend", "hold"] = "resend",
    unconfirmed: bool = False,
    urgent: bool = False,
) -> None:
    """Directive: register the templates of an e-mail kind, with sample data that renders them.

    ``load(db, messages)`` is called right before a batch is sent, and returns for each message what the
    template shows as ``data``, or None to skip it, as that of a booking which is cancelled by then. Without
    it the template shows what was written with the message. ``wanted(db, data)`` is the older way to skip
    one. What is ``urgent`` overtakes all that is not. ``on_ambiguous`` is for providers that cannot tell a
    repetition: where nobody knows whether an e-mail was accepted, ``resend`` sends it again and ``hold``
    keeps it for an operator. ``unconfirmed`` is for what may go to somebody who has nothing to do with the
    account: the template's ``name`` is empty unless it looks like one.
    """
    package = config.package.__name__
    if wanted is not None:
        load = _load_if(wanted)
    register(
        config,
        "e-mail template",
        kind,
        lambda: config.registry.email_templates.add(
            kind, base, package, sample, load, on_ambiguous, unconfirmed=unconfirmed, urgent=urgent
        ),
        base=base,
    )


def _load_if(wanted: Wanted) -> Load:
    def load(db: Session, messages: Sequence[Message]) -> list[Mapping[str, Any] | None]:
        written = [message.payload["data"] for message in messages]
        return [data if wanted(db, data) else None for data in written]

    return load
