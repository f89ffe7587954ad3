"""E-mail templates: for each kind a subject, a text and an HTML body, which operators can replace.

A kind's base name such as ``bookings/cancelled`` stands for three Jinja files in the package's
``templates`` folder: ``cancelled.subject.txt``, ``cancelled.txt`` and ``cancelled.html``. A file of the
same name in the folder of the setting ``scheduling.email_templates`` comes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import jinja2

from scheduling.config.directives import register
from scheduling.exceptions import StartupError
from scheduling.times import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyramid.config import Configurator

    from scheduling.db.session import Session

    Wanted = Callable[[Session, Mapping[str, Any]], bool]


@dataclass(frozen=True)
class Rendered:
    """A rendered e-mail; the subject is one line."""

    subject: str
    text: str
    html: str


def moment(timestamp: str) -> str:
    """Jinja filter: an RFC 3339 timestamp as people read it, in UTC with the zone named."""
    when = parse_timestamp(timestamp)
    # %B is English as long as nobody calls setlocale, which a server has no reason to.
    return f"{when.day} {when:%B} {when.year}, {when:%H:%M} UTC"


class Templates:
    """The templates of all kinds of e-mail that core and the plugins registered, and their rendering."""

    def __init__(self, override_folder: str) -> None:
        self._loaders: dict[str, jinja2.BaseLoader] = {"": jinja2.PackageLoader("scheduling.email")}
        self._override = [jinja2.FileSystemLoader(override_folder)] if override_folder else []
        self._bases: dict[str, str] = {}
        self.samples: dict[str, Mapping[str, Any]] = {}
        """Data with which each kind can be previewed."""
        self._wanted: dict[str, Wanted] = {}
        self._on_ambiguous: dict[str, str] = {}
        self._environment = jinja2.Environment(
            autoescape=jinja2.select_autoescape(["html"], default=False),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._environment.filters["moment"] = moment

    def add(
        self,
        kind: str,
        base: str,
        package: str,
        sample: Mapping[str, Any],
        wanted: Wanted | None = None,
        on_ambiguous: str = "resend",
    ) -> None:
        """Add a kind whose files are in a package; raise ``StartupError`` if one is missing or broken."""
        self._on_ambiguous[kind] = on_ambiguous
        if wanted is not None:
            self._wanted[kind] = wanted
        self._loaders.setdefault(package, jinja2.PackageLoader(package))
        self._environment.loader = jinja2.ChoiceLoader([*self._override, *self._loaders.values()])
        self._bases[kind] = base
        self.samples[kind] = sample
        try:
            self.render(kind, "Alex Example", sample)
        except jinja2.TemplateError as error:
            raise StartupError(f"The e-mail template {base} of {kind} is broken: {error}") from error

    def is_wanted(self, kind: str, db: Session, data: Mapping[str, Any]) -> bool:
        """Ask the ``wanted`` of a kind, if it has one, whether an e-mail with these data is still of use."""
        wanted = self._wanted.get(kind)
        return wanted is None or wanted(db, data)

    def on_ambiguous(self, kind: str) -> str:
        """Return what is done where nobody knows whether an e-mail was accepted: ``resend`` or ``hold``."""
        return self._on_ambiguous[kind]

    def render(self, kind: str, name: str, data: Mapping[str, Any]) -> Rendered:
        """Render a kind for the person ``name``; raise KeyError for a kind that nobody registered."""
        base = self._bases[kind]
        values = {"name": name, "data": data}
        subject, text, html = (
            self._environment.get_template(base + ending).render(values)
            for ending in (".subject.txt", ".txt", ".html")
        )
        return Rendered(" ".join(subject.split()), text, html)


def add_email_template(
    config: Configurator,
    kind: str,
    base: str,
    sample: Mapping[str, Any],
    *,
    wanted: Wanted | None = None,
    on_ambiguous: Literal["resend", "hold"] = "resend",
) -> None:
    """Directive: register the templates of an e-mail kind, with sample data that renders them.

    ``wanted(db, data)`` is asked right before sending; False skips the e-mail, as that of a booking which
    is cancelled by then. ``on_ambiguous`` is for providers that cannot tell a repetition: where nobody
    knows whether an e-mail was accepted, ``resend`` sends it again and ``hold`` keeps it for an operator.
    """
    package = config.package.__name__
    register(
        config,
        "e-mail template",
        kind,
        lambda: config.registry.email_templates.add(kind, base, package, sample, wanted, on_ambiguous),
        base=base,
    )
