"""One answer of each kind that there is."""

from tests.kit.factories import BOOKING, book

ORIGIN = "https://app.example.com"
PREFLIGHT = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}


def every_kind_of_answer(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    path = f"/bookings/{book(alice)['id']}"
    etag = alice.get(path).headers["ETag"]
    form = {"params": b"title=x", "headers": {"Authorization": f"Bearer {alice.token}"}}
    preflight = {"Origin": ORIGIN, **PREFLIGHT}
    return {
        "200": alice.get(path, status=200),
        "200 HEAD": alice.head(path, status=200),
        "200 list": alice.get("/bookings", status=200),
        "200 health": site.app.get("/health", status=200),
        "201": alice.post("/bookings", BOOKING, status=201),
        "204": site.app.options("/api/v1/bookings", headers=preflight, status=204),
        "304": alice.get(path, headers={"If-None-Match": etag}, status=304),
        "400": alice.post("/bookings", status=400),
        "400 address": site.app.get("/api/v1/%ff", status=400),
        "401": site.anonymous.get(path, status=401),
        "403": bob.get(path, status=403),
        "404 route": site.app.get("/nothing", status=404),
        "404 thing": alice.get("/bookings/999999999", status=404),
        "405": site.app.delete("/health", status=405),
        "409": alice.delete(path) and alice.patch(path, {"title": "x"}, status=409),
        "413": site.app.post_json("/api/v1/auth/login", {"email": "x" * 2**20}, status=413),
        "415": site.app.post("/api/v1/bookings", status=415, **form),
    }
