"""Bodies of requests, on either server."""

import json

JSON = {"Content-Type": "application/json"}


def send_chunked(site, path, chunks):
    """POST a body whose length is not announced, and return the status and the JSON of the answer."""
    with site.connect() as connection:
        connection.request("POST", f"/api/v1{path}", iter(chunks), JSON, encode_chunked=True)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def test_a_chunked_body_is_read(make_web):
    site = make_web()
    body = json.dumps({"name": "Alice", "email": "alice@example.com", "password": "secret123"}).encode()
    status, answer = send_chunked(site, "/auth/register", [body[:10], body[10:]])
    assert status == 201
    assert answer["user"]["email"] == "alice@example.com"


def test_a_chunked_body_over_the_limit_is_refused(make_web):
    site = make_web(SCHEDULING_MAX_BODY_BYTES="1024")
    status, answer = send_chunked(site, "/auth/register", [b"a" * 512] * 3)
    assert status == 413
    assert "1024 bytes" in answer["error"]
