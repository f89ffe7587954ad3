"""The booking calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.view import view_config

from scheduling.plugin import Page, Permission, paginate, set_etag
from scheduling_bookings import freebusy, queries, service
from scheduling_bookings.conflicts import TIME_TAKEN
from scheduling_bookings.resources import Booking, Bookings
from scheduling_bookings.schemas import (
    BookingAnswer,
    BookingDone,
    BookingPatch,
    BookingQuery,
    CancelQuery,
    FreeBusyAnswer,
    FreeBusyQuery,
    NewBooking,
    Restoring,
)

if TYPE_CHECKING:
    from scheduling.plugin import Request


@view_config(
    context=Bookings,
    request_method="POST",
    permission=Permission.CREATE,
    schema=NewBooking,
    status=201,
    etag=True,
    location="/api/v1/bookings/{booking[id]}",
    response=BookingDone,
    errors=(TIME_TAKEN,),
)
def create(context: Bookings, request: Request) -> dict[str, Any]:
    """Create a booking."""
    booking = queries.answer(
        request.registry, service.create(request.db, request.identity.id, request.validated, request.members)
    )
    set_etag(request, booking)
    return {"message": "Booking created", "booking": booking}


@view_config(
    context=Bookings,
    request_method="GET",
    permission=Permission.LIST,
    query=BookingQuery,
    response=BookingAnswer(many=True),
)
def index(context: Bookings, request: Request) -> Page:
    """List my bookings, by default the latest start first."""
    wanted = request.validated
    filters = {name: value for name, value in wanted.items() if name in queries.FILTERS}
    # There are two statuses: who wants both wants all bookings.
    statuses = filters.pop("status", ())
    if len(statuses) == 1:
        [filters["status"]] = statuses
    query = queries.select_of_user(*sorted(filters))
    order = queries.ORDERS[wanted.get("sort", queries.DEFAULT_ORDER)]
    page = paginate(request, query, order, parameters={"user_id": request.identity.id, **filters})
    return [queries.answer(request.registry, booking) for booking in page]


@view_config(
    context=Bookings,
    name="freebusy",
    request_method="GET",
    permission=Permission.LIST,
    query=FreeBusyQuery,
    response=FreeBusyAnswer(many=True),
    operation_id="get_free_busy",
)
def free_busy(context: Bookings, request: Request) -> list[dict[str, Any]]:
    """Tell when I am busy, and others who show it to members of an organization that we share."""
    me, window = request.identity.id, (request.validated["window_start"], request.validated["window_end"])
    return freebusy.find(request.db, me, request.validated.get("user_ids", [me]), *window)


@view_config(
    context=Booking, request_method="GET", permission=Permission.VIEW, etag=True, response=BookingAnswer
)
def show(context: Booking, request: Request) -> dict[str, Any]:
    """Show a booking."""
    return queries.answer(request.registry, context.row._asdict())


@view_config(
    context=Booking,
    request_method="PATCH",
    permission=Permission.EDIT,
    schema=BookingPatch,
    if_match=True,
    response=BookingDone,
    errors=(service.BOOKING_CANCELLED, TIME_TAKEN),
)
def update(context: Booking, request: Request) -> dict[str, Any]:
    """Change a booking."""
    changes, versions = request.validated, request.expected_versions
    row = service.update(request.db, context.row, changes, request.members, versions)
    booking = queries.answer(request.registry, row._asdict())
    set_etag(request, booking)
    return {"message": "Booking updated", "booking": booking}


@view_config(
    context=Booking,
    request_method="DELETE",
    permission=Permission.DELETE,
    query=CancelQuery,
    if_match=True,
    response=BookingDone,
    operation_id="cancel_booking",
)
def cancel(context: Booking, request: Request) -> dict[str, Any]:
    """Cancel a booking."""
    reason = request.validated.get("reason")
    row = service.cancel(request.db, context.row, request.expected_versions, reason)
    return {"message": "Booking cancelled", "booking": queries.answer(request.registry, row._asdict())}


@view_config(
    context=Booking,
    name="restore",
    request_method="POST",
    permission=Permission.EDIT,
    schema=Restoring,
    etag=True,
    response=BookingAnswer,
    errors=(TIME_TAKEN,),
)
def restore(context: Booking, request: Request) -> dict[str, Any]:
    """Confirm a cancelled booking again, which has not begun yet."""
    booking = queries.answer(
        request.registry, service.restore(request.db, context.row, request.validated)._asdict()
    )
    set_etag(request, booking)
    return booking
