"""Other spellings of /api/v1/auth/register."""

OTHER_SPELLINGS = [
    "//api/v1/auth/register",
    "/api//v1/auth/register",
    "/api/v1/auth//register",
    "/api/v1/auth/register//",
    "/api/v1/auth/@@register",
    "/api/v1/auth/@@register/",
    "/api/v1/@@/auth/register",
    "/x/../api/v1/auth/register",
    "/api/v1/auth/x/../register",
    "/../api/v1/auth/register",
    "/./api/v1/auth/register",
    "/api/v1/auth/./register",
    "/api/v1/auth/register/.",
    "/api/v1/auth/register/x/..",
    "/.",
    "/..",
    "api/v1/auth/register",
    "*",
]

# As the server was sent it, with what it made of it.
OTHER_TARGETS = [
    "//api/v1/auth/register",
    "/api/v1/auth%2Fregister",
    "/api/v1/auth%2fregister",
    "/api/v1/auth/%72egister",
    "/api/v1/%2E/auth/register",
    "/api/v1/auth/register#x",
    "/api/v1/auth/register#x?y",
    "/api/v1/auth/reg\tister",
    "\x01/api/v1/auth/register",
    "api/v1/auth/register",
    "x:/api/v1/auth/register",
    "x:api/v1/auth/register",
    "http:///api/v1/auth/register",
    "http:/api/v1/auth/register",
    "http://localhost//api/v1/auth/register",
    "ftp://localhost/api/v1/auth/register",
]
