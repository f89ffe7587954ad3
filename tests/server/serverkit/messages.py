"""Requests as bytes, most of them with something wrong.

Where the servers differ, both are right in the sense of RFC 9110 and 9112 unless a comment says otherwise.
"""

HOST = b"Host: localhost"
JSON = b"Content-Type: application/json"
CHUNKED = b"Transfer-Encoding: chunked"
LOG_IN = b'{"email":"a@example.com","password":"x"}'
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(LOG_IN), LOG_IN)
LENGTH = b"Content-Length: %d" % len(LOG_IN)
MEBIBYTE = 1024 * 1024


def request(what, *headers, host=HOST, version=b"HTTP/1.1", body=b""):
    return b"\r\n".join([what + b" " + version, *([host] if host else []), *headers, b"", body])


def get(*headers, **options):
    return request(b"GET /seen", *headers, **options)


def log_in(*headers, body=LOG_IN, **options):
    return request(b"POST /api/v1/auth/login", JSON, *headers, body=body, **options)


def chunked(body):
    return log_in(CHUNKED, body=body)


# What is sent, and the status with waitress and with granian. The connection is closed.
REFUSED = {
    "no request line": (b"GARBAGE\r\n\r\n", 400, 400),
    "tls": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n", 400, 400),
    "two spaces": (request(b"GET  /seen"), 400, 400),
    "space in the target": (request(b"GET /se en"), 400, 400),
    "no version": (b"GET /seen\r\n\r\n", 400, 400),
    "unknown version": (get(version=b"HTTP/9.9"), 400, 400),
    "http/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, None),
    "raw byte in the path": (request(b"GET /\xff"), 400, 400),
    "broken absolute form": (request(b"GET http://[::1/seen"), 400, 400),
    "nul in a header": (get(b"X-A: a\0b"), 400, 400),
    "control byte in a header": (get(b"X-Request-ID: \x1b[31m"), 400, 400),
    "bare cr in a header": (get(b"X-A: a\rb"), 400, 400),
    "continued first header": (b"GET /seen HTTP/1.1\r\n Host: a\r\n\r\n", 400, 400),
    "space in a header's name": (get(b"X-A : a"), 400, 400),
    "header without a name": (get(b": a"), 400, 400),
    "header without a colon": (get(b"abc"), 400, 400),
    "brackets in a header's name": (get(b"X(A): a"), 400, 400),
    "long header": (get(b"X-A: " + b"a" * MEBIBYTE), 431, 431),
    "many headers": (get(*(b"X-%d: a" % number for number in range(101))), 400, 431),
    "long target": (request(b"GET /seen?" + b"a" * 66_000), 431, 414),
    "content-length no number": (log_in(b"Content-Length: abc"), 400, 400),
    "content-length negative": (log_in(b"Content-Length: -1"), 400, 400),
    "content-length with a sign": (log_in(b"Content-Length: +40"), 400, 400),
    "content-length empty": (log_in(b"Content-Length:"), 400, 400),
    "content-length hexadecimal": (log_in(b"Content-Length: 0x28"), 400, 400),
    "content-length twice": (log_in(LENGTH, b"Content-Length: 4"), 400, 400),
    "content-length a list": (log_in(LENGTH + b", 40"), 400, 400),
    "content-length of 30 digits": (log_in(b"Content-Length: " + b"9" * 30), 413, 400),
    "content-length of 5000 digits": (log_in(b"Content-Length: " + b"9" * 5000), 400, 400),
    "transfer-encoding unknown": (log_in(b"Transfer-Encoding: gzip"), 501, 400),
    "transfer-encoding identity": (log_in(b"Transfer-Encoding: identity"), 501, 400),
    "transfer-encoding nearly chunked": (log_in(b"Transfer-Encoding: xchunked", body=CHUNKS), 501, 400),
    "transfer-encoding not chunked last": (log_in(CHUNKED + b", gzip", body=CHUNKS), 501, 400),
    "transfer-encoding with a tab": (log_in(b"Transfer-Encoding: \x0bchunked", body=CHUNKS), 400, 400),
    "transfer-encoding empty": (log_in(b"Transfer-Encoding:", LENGTH), 400, 400),
    "transfer-encoding in 1.0": (log_in(CHUNKED, version=b"HTTP/1.0", body=CHUNKS), 400, 400),
    # RFC 9112, 6.3: granian reads the chunks and closes the connection, which is allowed, too.
    "both lengths": (log_in(CHUNKED, LENGTH, body=CHUNKS), 400, 401),
    "both lengths, the other first": (log_in(b"Content-Length: 4", CHUNKED, body=CHUNKS), 400, 401),
    # Of a chunked body with a fault granian hands on what came before it; the application refuses that.
    "chunk size no number": (chunked(b"zz\r\n" + LOG_IN + b"\r\n0\r\n\r\n"), 400, 400),
    "chunk size negative": (chunked(b"-28\r\n" + LOG_IN + b"\r\n0\r\n\r\n"), 400, 400),
    "chunk size with 0x": (chunked(b"0x28\r\n" + LOG_IN + b"\r\n0\r\n\r\n"), 400, 400),
    "chunk longer than its size": (chunked(b"4\r\n" + LOG_IN + b"\r\n0\r\n\r\n"), 400, 400),
    "chunk extension without end": (chunked(b"28;a=" + b"a" * MEBIBYTE), 400, 400),
    "body over the limit": (log_in(b"Content-Length: 20000000"), 413, 413),
    "chunks over the limit": (chunked(b"1400000\r\n" + bytes(0x1400000) + b"\r\n0\r\n\r\n"), 413, 413),
}

# The same for what becomes a request, or what one of the servers lets pass. None: it is as in REFUSED.
SERVED = {
    "1.0": (get(version=b"HTTP/1.0"), 200, 200),
    "1.0 without host": (get(host=None, version=b"HTTP/1.0"), 200, 200),
    "empty lines before": (b"\r\n\r\n" + get(), 200, 200),
    "bare line feeds": (get(b"X-A: a\nX-B: b"), 400, 200),
    "continued header": (get(b"X-A: a\r\n b"), 200, 400),
    "lower-case method": (request(b"get /health"), 400, 405),
    "no host": (get(host=None), 400, 400),
    "two hosts": (get(b"Host: elsewhere"), 400, 400),
    "impossible host": (get(host=b"Host: a b/c?"), 400, 400),
    "empty host": (get(host=b"Host:"), 400, 400),
    "absolute form": (request(b"GET http://elsewhere.example/seen?a=b"), 200, 200),
    "asterisk": (request(b"OPTIONS *"), 404, 404),
    "authority form": (request(b"CONNECT example.com:443"), 404, 405),
    "trace": (request(b"TRACE /health"), 405, 405),
    "connect": (request(b"CONNECT /health"), 405, 405),
    "unknown method": (request(b"FOO /health"), 405, 405),
    "nul in the path": (request(b"GET /%00"), 404, 404),
    "dots": (request(b"GET /%2e%2e/%2e%2e/etc/passwd"), 404, 404),
    "dots as they are": (request(b"GET /../../etc/passwd"), 404, 404),
    "no utf-8 in the path": (request(b"GET /%ff%fe"), 400, 400),
    "broken escape in the path": (request(b"GET /%zz%2"), 404, 404),
    "target of 30,000 bytes": (request(b"GET /seen?" + b"a" * 30_000), 200, 200),
    "100 headers": (get(*(b"X-%d: a" % number for number in range(99))), 200, 200),
    "upgrade": (get(b"Connection: Upgrade", b"Upgrade: websocket"), 200, 200),
    "content-length twice, the same": (log_in(LENGTH, LENGTH), 400, 401),
    "chunk extension and trailer": (chunked(CHUNKS.replace(b"28\r", b"28;a=b\r")), 401, 401),
    # granian does not say that it cannot undo the first one.
    "two transfer-encodings": (log_in(b"Transfer-Encoding: gzip, chunked", body=CHUNKS), 501, 401),
    "too large for the application": (
        log_in(b"Content-Length: %d" % (2 * MEBIBYTE), body=bytes(2 * MEBIBYTE)),
        413,
        413,
    ),
}

# What is sent at first, and then again and again.
SLOW_HEADS = {
    "silent": (b"", b""),
    "head silent": (b"GET /seen HTTP/1.1\r\nHost: lo", b""),
    "head dripping": (b"GET /seen HTTP/1.1\r\nX-A: a", b"a"),
    "idle after a request": (get(), b""),
}
SLOW_BODIES = {
    "body silent": (log_in(b"Content-Length: 1000", body=b"{"), b""),
    "body dripping": (log_in(b"Content-Length: 100000", body=b"{"), b" "),
    "chunk dripping": (chunked(b"ffff\r\n{"), b" "),
}
