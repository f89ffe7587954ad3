"""What plugins get without a line, and what they can say."""

import pytest

from scheduling.testing import Site
from scheduling.web.declarations import declarations

VIEWS = """
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from scheduling.plugin import Permission, Resource, problem
class Acme(Resource):
    pass
calls = config.registry.acme_calls = []
def add(name, answer, methods=("POST",), **options):
    def view(context, request):
        calls.append(name)
        return answer(request)
    config.add_view(view, context=Acme, name=name, request_method=methods,
                    permission=NO_PERMISSION_REQUIRED, **options)
add("counted", lambda request: {"count": len(calls)}, ("POST", "PATCH", "DELETE", "PUT", "GET"))
add("secret", lambda request: {"count": len(calls)}, idempotent=False)
add("nothing", lambda request: Response(status=204))
headers = [("Content-Type", "text/csv"), ("X-A", "1"), ("X-A", "2")]
add("named", lambda request: Response(b"a;b", headerlist=[*headers]))
add("moved", lambda request: Response(status=303, location="/elsewhere"))
add("refused", lambda request: problem(request, 409, "No."))
add("streamed", lambda request: Response(app_iter=(part for part in (b"a", b"b"))))
add("large", lambda request: Response(b"x" * (1024 * 1024 + 1)))
config.add_api_resource("acme", Acme)
"""


@pytest.fixture
def acme(install_plugin, tmp_path):
    """A site with a plugin that has views of its own, in which nothing is said of keys."""
    install_plugin("acme", includeme=VIEWS)
    site = Site(f"sqlite:///{tmp_path}/test.db", ["acme"])
    yield site
    site.close()


def send(site, name, method="POST", key="k"):
    return site.app.request(
        f"/api/v1/acme/{name}", method=method, headers={"Idempotency-Key": key}, expect_errors=True
    )


def replayed(answer):
    return answer.headers.get("Idempotent-Replayed") == "true"


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_call_of_a_plugin_is_done_once(acme, method):
    first, again = (send(acme, "counted", method) for _ in range(2))
    assert (first.json, again.json) == ({"count": 1}, {"count": 1})
    assert [replayed(answer) for answer in (first, again)] == [False, True]
    assert send(acme, "counted", method, "other").json == {"count": 2}


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_other_methods_know_no_key(acme, method):
    assert [send(acme, "counted", method, key).json["count"] for key in ("k", "k", "")] == [1, 2, 3]


def test_a_view_can_ignore_keys(acme):
    assert [send(acme, "secret", key=key).json["count"] for key in ("k", "k", "")] == [1, 2, 3]


@pytest.mark.parametrize("name", ["nothing", "named"])
def test_an_answer_is_given_again_with_its_headers_whatever_it_is(acme, name):
    first, again = (send(acme, name) for _ in range(2))
    assert acme.registry.acme_calls == [name]
    own = {"X-Request-ID", "Idempotent-Replayed"}
    headers = [[pair for pair in answer.headerlist if pair[0] not in own] for answer in (first, again)]
    assert headers[0] == headers[1]
    assert (first.status, first.body) == (again.status, again.body)


@pytest.mark.parametrize("name", ["moved", "refused"])
def test_what_is_no_2xx_is_done_again(acme, name):
    assert not any(replayed(send(acme, name)) for _ in range(2))
    assert acme.registry.acme_calls == [name] * 2


@pytest.mark.parametrize("name", ["streamed", "large"])
def test_what_is_too_large_to_keep_is_done_again_and_an_operator_told(acme, name, caplog):
    first, again = (send(acme, name) for _ in range(2))
    assert first.body == again.body
    assert acme.registry.acme_calls == [name] * 2
    assert f"too large to be kept for its Idempotency-Key: /api/v1/acme/{name}" in caplog.text


def test_a_metric_tells_what_came_of_keys(acme):
    def outcomes():
        families = acme.registry.metrics.exposed().collect()
        samples = [sample for family in families for sample in family.samples]
        name = "scheduling_http_idempotency_keys_total"
        return {sample.labels["outcome"]: sample.value for sample in samples if sample.name == name}

    for name in ("counted", "counted", "counted", "counted?other", "refused", "secret"):
        send(acme, name)
    assert outcomes() == {"done": 1, "replayed": 2, "mismatch": 1}


def test_the_declaration_says_which_calls_know_keys(acme):
    known = {
        (one.method, one.view_name): one.takes_idempotency_key
        for one in declarations(acme.registry)
        if one.place.resource.__name__ == "Acme"
    }
    assert known["POST", "counted"] is known["PATCH", "counted"] is known["DELETE", "counted"] is True
    assert known["PUT", "counted"] is known["GET", "counted"] is known["POST", "secret"] is False
