"""The booking calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.view import view_config

from scheduling.plugin import Keyset, Page, Permission, paginate, set_etag
from scheduling_bookings import service
from scheduling_bookings.models import bookings
from scheduling_bookings.resources import Booking, Bookings
from scheduling_bookings.schemas import BookingAnswer, BookingDone, BookingPatch, BookingQuery, NewBooking

if TYPE_CHECKING:
    from scheduling.plugin import Request, Row

LATEST_START_FIRST = Keyset((bookings.c.start_time, bookings.c.id), (True, True))


@view_config(
    context=Bookings,
    request_method="POST",
    permission=Permission.CREATE,
    schema=NewBooking,
    status=201,
    etag=True,
    location="/api/v1/bookings/{booking[id]}",
    response=BookingDone,
)
def create(context: Bookings, request: Request) -> dict[str, Any]:
    """Create a booking."""
    booking = service.create(request.db, request.identity.id, **request.validated)
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
    """List my bookings, the latest start first."""
    filters = {name: value for name, value in request.validated.items() if name in service.FILTERS}
    query = service.select_of_user(*sorted(filters))
    parameters = {"user_id": request.identity.id, **filters}
    return paginate(request, query, LATEST_START_FIRST, parameters=parameters)


@view_config(
    context=Booking, request_method="GET", permission=Permission.VIEW, etag=True, response=BookingAnswer
)
def show(context: Booking, request: Request) -> Row:
    """Show a booking."""
    booking: Row = context.row
    return booking


@view_config(
    context=Booking,
    request_method="PATCH",
    permission=Permission.EDIT,
    schema=BookingPatch,
    if_match=True,
    response=BookingDone,
    errors=(service.BOOKING_CANCELLED,),
)
def update(context: Booking, request: Request) -> dict[str, Any]:
    """Change a booking's title or times."""
    booking = service.update(request.db, context.row, request.validated, request.expected_versions)
    set_etag(request, booking)
    return {"message": "Booking updated", "booking": booking}


@view_config(
    context=Booking,
    request_method="DELETE",
    permission=Permission.DELETE,
    if_match=True,
    response=BookingDone,
    operation_id="cancel_booking",
)
def cancel(context: Booking, request: Request) -> dict[str, Any]:
    """Cancel a booking."""
    booking = service.cancel(request.db, context.row, request.expected_versions)
    return {"message": "Booking cancelled", "booking": booking}
