def test_booking_end_to_end(site):
    alice = site.user()
    alice.post("/bookings", {"title": "T", "start": "2099-01-01T10:00:00Z", "end": "2099-01-01T11:00:00Z"}, status=201)
    site.deliver()
    assert [m.subject for m in site.mail] == ["Welcome, Alice", "Booking confirmed: T"]
