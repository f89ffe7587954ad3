"""What plugins are given: the configurator of ``includeme``, and what commands and smoke steps get.

Plugins import these from ``scheduling.plugin``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Protocol

from scheduling.messaging.consumers import DEFAULT_ATTEMPTS, DEFAULT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from scheduling.db.session import Session
    from scheduling.events import Event
    from scheduling.messaging.consumers import Message
    from scheduling.observability.registry import Registry
    from scheduling.web.codes import Code
    from scheduling.web.resources import Resource, ResourceFactory

    Handler = Callable[[Message, Registry], str | None]


class Configurator(Protocol):
    """What a plugin's ``includeme(config)`` is given: Pyramid's Configurator with Scheduling's directives.

    Of Pyramid's own methods these are the ones that a plugin usually needs; all others are there too
    (https://docs.pylonsproject.org/projects/pyramid/en/latest/api/config.html).
    """

    registry: Registry

    def include(self, module: Any, route_prefix: str | None = None) -> None:
        """Call the ``includeme(config)`` of a module of the plugin, such as ``subscribers``."""

    def scan(self, package: Any) -> None:
        """Register the views that ``@view_config`` declares in a module or package."""

    def add_subscriber(self, subscriber: Callable[[Any], None], event: type[Event]) -> None:
        """Call ``subscriber(event)`` at each event of a class, in the transaction of what happened.

        It writes through ``event.db``, and undoes everything by raising.
        """

    def add_api_resource(self, name: str, factory: ResourceFactory) -> None:
        """Make ``factory(request, name, parent)``, a ``Resource`` class, the child ``name`` of ``/api/v1``.

        Raises ``StartupError`` when another plugin, or core, has claimed the name.
        """

    def add_child(self, parent: type[Resource], name: str, factory: ResourceFactory) -> None:
        """Make ``factory(request, name, parent)`` the child ``name`` of every resource of a class.

        The class may be another plugin's. The child is asked for before ids. Raises ``StartupError`` when
        another plugin has claimed the name, or the class itself has it, as a child or as the name of a view.
        """

    def add_member(
        self,
        thing: str,
        name: str,
        field: Callable[[], Any],
        default: Any = None,
        initial: Callable[[Session, int], Any] | None = None,
    ) -> None:
        """Add a member to another plugin's thing, such as ``"booking"``: to its bodies and its answers.

        ``field()`` makes the marshmallow field, whose values are JSON; ``default`` is that of things for
        which none was sent; ``initial(db, user_id)``, where there is one, gives that of a thing which
        ``user_id`` is making. The thing's events carry the value. A member of a plugin that does not come
        with Scheduling is in ``extensions``, below the plugin's name.
        """

    def add_preference(self, name: str, field: Callable[[], Any], default: Any) -> None:
        """Add a member to users' preferences, as :meth:`add_member` does to a thing.

        ``preferences_of(db, user_id).get(name)`` reads it.
        """

    def add_notice_type(
        self, name: str, title: str, *, email: bool | None = True, in_app: bool | None = True
    ) -> None:
        """Let users switch notices of a type on and off.

        ``title`` tells people what it is, ``email`` and ``in_app`` what holds until they choose; None is for
        a channel that does not tell it. Notices of types that nobody has added are always told.
        """

    def add_fellowship(
        self, name: str, find: Callable[[Session, int, Collection[int]], Iterable[int]]
    ) -> None:
        """Have ``find(db, user_id, others)`` tell which of other users belong together with a user.

        It returns their ids, by one query, for ``fellows_of(db, user_id, others)``. Two fellowships of one
        name are a conflict, which stops the start.
        """

    def add_problem_code(self, code: Code) -> None:
        """Put a code that the plugin answers into the catalogue of codes and into the OpenAPI document.

        A word that core or another plugin has added is a conflict, which stops the start.
        """

    def add_rate_limit(
        self,
        name: str,
        places: int,
        seconds: int,
        per: Literal["address", "anonymous", "user"] = "address",
    ) -> None:
        """Make a limit of ``places`` calls in any ``seconds``, which a view has by ``rate_limit=name``.

        It counts the calls of an address of clients, with ``anonymous`` only those without a valid token, or
        with ``user`` those of a user. 0 places are no limit. To be called before the views are registered.
        """

    def add_event_consumer(self, name: str, event: type[Event], handler: Handler) -> None:
        """Run ``handler(message, registry)`` in a worker, at least once, for each event of a class.

        The message's kind is the name of the event's class, its payload the event's facts. What the handler
        returns and raises is as in :meth:`add_outbox_consumer`.
        """

    def add_outbox_consumer(
        self,
        name: str,
        handler: Handler,
        attempts: int = DEFAULT_ATTEMPTS,
        seconds: float = DEFAULT_SECONDS,
    ) -> None:
        """Run ``handler(message, registry)`` in a worker, at least once, for each message to ``name``.

        The plugin writes the messages with :func:`enqueue`. The handler returns the provider's id of what it
        did, or None. It raises ``Transient`` to be tried again, ``Permanent`` to be given up at once,
        ``Postpone`` to be tried at a later moment without using up an attempt, and ``Skip`` where nothing is
        left to do; any other exception is logged as an error and counts as transient, as does a handler that
        takes longer than ``seconds``. After ``attempts`` in all the message is dead. Each consumer has
        threads of its own, so that a slow one delays no other.
        """

    def add_housekeeping(self, name: str, work: Callable[[Registry], bool | None], seconds: float) -> None:
        """Call ``work(registry)`` in every worker, and again after ``seconds``.

        Where it returns True there is more to do, and it is called again at once. Where it raises, that is
        logged and it is called again after a while. Several workers may call it at the same time; what must
        not be done twice takes a lock of its own.
        """

    def add_email_template(
        self,
        kind: str,
        base: str,
        sample: Mapping[str, Any],
        *,
        load: Callable[[Session, Sequence[Message]], Sequence[Mapping[str, Any] | None]] | None = None,
        wanted: Callable[[Session, Mapping[str, Any]], bool] | None = None,
        on_ambiguous: Literal["resend", "hold"] = "resend",
        unconfirmed: bool = False,
        urgent: bool = False,
    ) -> None:
        """Register ``templates/<base>.subject.txt``, ``.txt`` and ``.html`` for a kind of e-mail.

        ``sample`` is data that renders them. ``load(db, messages)`` is called right before a batch of e-mails
        is sent: for each message it returns what the template shows as ``data``, or None to skip the e-mail,
        as that of a booking which is cancelled by then. A notice's ``data`` is ``message.payload["data"]``,
        and need have nothing but ids. Without ``load`` the template shows the notice's ``data``; ``wanted(db,
        data)`` is the older way to skip an e-mail. What is ``urgent``, such as a code to log in with,
        overtakes all e-mails that are not. Where nobody knows whether the provider accepted an e-mail,
        ``resend`` sends it again and ``hold`` keeps it for an operator. ``unconfirmed`` is for what may go to
        somebody who has nothing to do with the account: the template's ``name`` is empty unless it looks like
        one.
        """


class Program(Protocol):
    """What ``click.pass_obj`` gives a plugin's command."""

    @property
    def registry(self) -> Registry:
        """The registry of the whole application, on a database that is migrated."""


SmokeStep = tuple[str, Callable[[], None]]
"""A step of ``scheduling smoke``: the name that is printed, and what is done, which raises if it fails."""


class SmokeUser(Protocol):
    """The throw-away account that ``scheduling smoke`` has registered and logged in, for a plugin's steps."""

    name: str
    """A name that nobody else has, such as ``smoke-1c11b057``."""

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call ``path`` under ``/api/v1`` as this user; return the answer's JSON. An error fails the step."""

    def wait_for_email(self, kind: str) -> None:
        """Wait until an e-mail of this kind to the account is sent; fail the step if it is not in time."""

    def fail(self, reason: str) -> NoReturn:
        """Fail the step; ``reason`` is printed behind its name."""
