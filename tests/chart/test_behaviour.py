"""What the chart's objects do, where a schema has nothing to say."""

from base64 import b64decode

import pytest
import yaml

from tests.chart.chartkit import CHART
from tests.chart.chartkit.objects import containers, environment, named, of_kind, pods

LEAST = CHART / "ci" / "existing-secrets-values.yaml"
INLINE = CHART / "ci" / "inline-secrets-values.yaml"


@pytest.fixture
def render(helm4, tmp_path):
    """Render a value set of ci/, with other values over it."""

    def render(name="existing-secrets", /, **values):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.yaml"
        path.write_text(yaml.safe_dump(values))
        return helm4.render(CHART / "ci" / f"{name}-values.yaml", path)

    return render


def pod(rendered, component):
    """Return the pod spec of a component."""
    [spec] = [
        spec
        for _, metadata, spec in pods(rendered)
        if metadata["labels"]["app.kubernetes.io/component"] == component
    ]
    return spec


def job_name(rendered):
    [name] = [
        job["metadata"]["name"] for job in of_kind(rendered, "Job") if "migrate" in job["metadata"]["name"]
    ]
    return name


def test_a_rollout_takes_no_old_web_pod_away_before_a_new_one_is_ready(render):
    web = named(render(), "Deployment", "demo-scheduling-web")["spec"]
    assert web["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert web["replicas"] == 4


@pytest.mark.parametrize(
    ("value_set", "seconds"), [("existing-secrets", 5 + 1 + 30 + 5), ("granian", 15 + 3 + 120 + 5)]
)
def test_a_web_pod_has_the_time_to_sleep_drain_and_finish(render, value_set, seconds):
    spec = pod(render(value_set), "web")
    assert spec["terminationGracePeriodSeconds"] == seconds
    times = {"drain": None, "grace": None}
    for argument in spec["containers"][0]["args"][1:]:
        name, _, value = argument.removeprefix("--").partition("=")
        times |= {name: int(value)} if name in times else {}
    sleep = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert seconds > sleep + sum(times.values())


def test_a_web_pod_that_is_not_to_sleep_has_no_hook(render):
    assert "lifecycle" not in pod(render("own-spread"), "web")["containers"][0]


def test_a_worker_begins_to_end_at_once_and_has_the_time_to_finish(render):
    spec = pod(render("granian"), "worker")
    assert spec["terminationGracePeriodSeconds"] == 610
    assert spec["containers"][0]["args"] == ["worker", "--concurrency=32", "--grace=600"]
    assert "lifecycle" not in spec["containers"][0]


@pytest.mark.parametrize(
    ("value_set", "component"),
    [("web-autoscaling", "web"), ("worker-hpa", "worker"), ("worker-keda", "worker")],
)
def test_whoever_is_autoscaled_is_given_no_number_of_pods(render, value_set, component):
    rendered = render(value_set)
    counted = {d["metadata"]["name"] for d in of_kind(rendered, "Deployment") if "replicas" in d["spec"]}
    assert counted == {"demo-scheduling-web", "demo-scheduling-worker"} - {f"demo-scheduling-{component}"}


def test_keda_scales_workers_on_what_is_due_in_this_release(render):
    [scaled] = of_kind(render("worker-keda"), "ScaledObject")
    [trigger] = scaled["spec"]["triggers"]
    assert trigger["metadata"]["query"] == 'max(scheduling_outbox_due{namespace="apps",job="demo"})'
    assert trigger["metadata"]["ignoreNullValues"] == "false"
    assert scaled["spec"]["fallback"]["replicas"] == 3


def test_an_autoscaler_with_no_labels_of_its_own_looks_for_this_release(render):
    rendered = render(worker={"autoscaling": {"type": "hpa"}})
    [metric] = of_kind(rendered, "HorizontalPodAutoscaler")[0]["spec"]["metrics"]
    assert metric["external"]["metric"] == {
        "name": "scheduling_outbox_due",
        "selector": {"matchLabels": {"namespace": "apps", "job": "demo"}},
    }


CHANGES = {
    "the image": {"image": {"tag": "1.2.3"}},
    "the database": {"database": {"existingSecret": "another"}},
    "a plugin": {"plugins": {"enabled": ["bookings"]}},
    "an annotation that says again": {"migrations": {"podAnnotations": {"again": "1"}}},
}


@pytest.mark.parametrize("values", CHANGES.values(), ids=CHANGES)
def test_a_change_of_what_migrates_makes_another_job(render, values):
    assert job_name(render(**values)) != job_name(render())


def test_a_change_of_something_else_leaves_the_job_alone(render):
    before, after = render(), render(web={"replicas": 9}, worker={"concurrency": 9}, ingress={"hosts": ["a"]})
    assert named(before, "Job", job_name(before)) == named(after, "Job", job_name(after))


def test_no_job_removes_itself(render):
    for job in of_kind(render("bootstrap-admin"), "Job"):
        assert "ttlSecondsAfterFinished" not in job["spec"]


def test_as_a_hook_the_job_needs_nothing_of_the_release(render):
    rendered = render("helm-hooks")
    job = named(rendered, "Job", "demo-scheduling-migrate")
    assert job["metadata"]["annotations"] == {
        "helm.sh/hook": "pre-install,pre-upgrade",
        "helm.sh/hook-delete-policy": "before-hook-creation",
        "helm.sh/hook-weight": "5",
    }
    assert job["spec"]["template"]["spec"]["serviceAccountName"] == "default"
    assert of_kind(rendered, "Secret") == []


def test_without_migrations_there_is_no_job(render):
    assert of_kind(render("no-migrations"), "Job") == []


def test_inline_secrets_are_in_one_secret_and_in_nothing_else(render):
    rendered = render("inline-secrets")
    [secret] = of_kind(rendered, "Secret")
    decoded = {name: b64decode(value).decode() for name, value in secret["data"].items()}
    values = yaml.safe_load(INLINE.read_text())
    assert decoded == {
        "JWT_SECRET": values["auth"]["jwtSecret"],
        "JWT_SECRET_FALLBACKS": " ".join(values["auth"]["jwtSecretFallbacks"]),
        "DATABASE_URL": values["database"]["url"],
        "REDIS_URL": values["redis"]["url"],
        "EMAIL_API_KEY": values["email"]["apiKey"],
        "SMTP_PASS": values["email"]["smtp"]["password"],
    }
    others = yaml.safe_dump([thing for thing in rendered if thing is not secret])
    assert [name for name, text in decoded.items() if text in others] == []


def test_a_changed_inline_secret_replaces_every_pod(render):
    def checksums(rendered):
        return {m["annotations"]["checksum/secret"] for _, m, _ in pods(rendered) if "annotations" in m}

    before, after = render("inline-secrets"), render("inline-secrets", redis={"url": "redis://another"})
    assert len(checksums(before)) == len(checksums(after)) == 1
    assert checksums(before) != checksums(after)
    assert job_name(before) != job_name(after)


def test_a_cloudnative_pg_cluster_is_used_as_it_is_and_its_server_verified(render):
    spec = pod(render("cloudnative-pg"), "web")
    given = environment(spec["containers"][0])
    assert given["DATABASE_URL"] == {"secretKeyRef": {"name": "scheduling-db-app", "key": "uri"}}
    assert given["PGSSLMODE"] == "verify-full"
    [volume] = [volume for volume in spec["volumes"] if volume["name"] == "database-ca"]
    assert volume["secret"] == {
        "secretName": "scheduling-db-ca",
        "items": [{"key": "ca.crt", "path": "ca.crt"}],
    }
    for container in containers(spec):
        [mount] = [mount for mount in container["volumeMounts"] if mount["name"] == "database-ca"]
        assert given["PGSSLROOTCERT"] == f"{mount['mountPath']}/ca.crt"


def test_older_signing_keys_are_taken_from_an_existing_secret_that_has_them(render):
    given = environment(pod(render("mixed-secrets"), "web")["containers"][0])
    reference = {"name": "scheduling-auth", "key": "older", "optional": True}
    assert given["JWT_SECRET_FALLBACKS"] == {"secretKeyRef": reference}


def test_a_components_own_variable_replaces_the_chart_wide_one(render):
    rendered = render("extras")
    names = {
        c: environment(pod(rendered, c)["containers"][0])["OTEL_SERVICE_NAME"] for c in ("web", "smoke-test")
    }
    assert names == {"web": "of-the-component", "smoke-test": "scheduling"}


def test_settings_reach_every_component_alike(render):
    rendered = render("ingress")
    for component in ("web", "worker", "migrations", "smoke-test"):
        given = environment(pod(rendered, component)["containers"][0])
        assert given["CORS_ORIGINS"] == "https://app.example.com https://app.example.org"
        assert given["SCHEDULING_EMAIL_CHANGE_NEEDS_PASSWORD"] == "true"
        assert given["SCHEDULING_REQUIRE_IF_MATCH"] == "true"
        assert given["SCHEDULING_DEFAULT_TIME_ZONE"] == "Europe/Berlin"
        assert given["SCHEDULING_EMAIL_BRAND_NAME"] == "Acme: dentists"
        assert given["SCHEDULING_EMAIL_BRAND_LOGO"] == "https://www.example.com/logo.png?v=1"
        assert given["SCHEDULING_EMAIL_BRAND_COLOR"] == "#ffd24d"
        assert given["SCHEDULING_EMAIL_UNSUBSCRIBE_URL"] == "mailto:unsubscribe@example.com"
        assert given["SCHEDULING_FRONTEND_URL"] == "https://app.example.com"
        assert given["SCHEDULING_PLUGINS"] == "analytics bookings notifications organizations reminders"


@pytest.mark.parametrize(("values", "has_proxy"), [("ingress", True), ("gateway", True), ("granian", False)])
def test_only_behind_an_ingress_or_a_gateway_proxies_are_trusted(render, values, has_proxy):
    given = environment(pod(render(values), "web")["containers"][0])
    assert ("TRUSTED_PROXIES" in given) == has_proxy
    if has_proxy:
        assert given["TRUSTED_PROXIES"].split()[0] == "10.0.0.0/8"


def test_rate_limits_are_values(render):
    given = environment(pod(render("extras"), "web")["containers"][0])
    assert given["RATE_LIMIT_ENABLED"] == "true"
    names = ("FAILED_LOGINS", "FAILED_LOGINS_PER_ADDRESS", "REGISTRATIONS", "CALLS_PER_USER")
    assert [given[f"SCHEDULING_RATE_LIMIT_{name}"] for name in names] == ["10", "100", "0", "600"]
    assert given["SCHEDULING_ANALYTICS_ANONYMOUS_PER_MINUTE"] == "1200"


def test_plugins_can_be_left_to_the_image(render):
    assert "SCHEDULING_PLUGINS" not in environment(
        pod(render("plugins-of-the-image"), "web")["containers"][0]
    )


def test_an_image_is_chosen_by_its_digest_its_tag_or_the_charts_version(render):
    def image(rendered):
        return pod(rendered, "web")["containers"][0]["image"]

    app = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    assert image(render()) == f"registry.example.com/scheduling:{app}"
    assert image(render(image={"tag": "2.0"})) == "registry.example.com/scheduling:2.0"
    digest = f"sha256:{'a' * 64}"
    assert (
        image(render(image={"tag": "2.0", "digest": digest})) == f"registry.example.com/scheduling@{digest}"
    )


def test_the_first_admin_is_made_from_a_secret_unless_it_exists(render):
    container = pod(render("bootstrap-admin"), "bootstrap-admin")["containers"][0]
    assert container["args"] == [
        "user", "create", "$(SCHEDULING_ADMIN_EMAIL)",
        "--name", "The operators", "--role", "admin", "--if-missing",
    ]  # fmt: skip
    given = environment(container)
    assert given["SCHEDULING_ADMIN_EMAIL"] == {"secretKeyRef": {"name": "scheduling-admin", "key": "address"}}
    secret = {"name": "scheduling-admin", "key": "initial-password"}
    assert given["SCHEDULING_PASSWORD"] == {"secretKeyRef": secret}


def test_helm_test_goes_through_the_service(render):
    rendered = render("load-balancer", smokeTest={"email": "nobody@example.com"})
    container = pod(rendered, "smoke-test")["containers"][0]
    url = "http://demo-scheduling-web:8080"
    assert container["args"] == ["smoke", "--url", url, "--email", "nobody@example.com"]


def ports(rendered, name):
    """Return the ports that a network policy opens to its pods, and those that they may reach."""
    policy = named(rendered, "NetworkPolicy", f"demo-scheduling-{name}")
    out = {port["port"] for rule in policy["spec"]["egress"] for port in rule.get("ports", [])}
    return {port["port"] for rule in policy["spec"].get("ingress", []) for port in rule["ports"]}, out


def test_network_policies_let_each_component_reach_only_what_it_needs(render):
    rendered = render("network-policies")
    assert ports(rendered, "web") == ({"http", "metrics"}, {53, 5432, 4318})
    assert ports(rendered, "worker") == ({"metrics"}, {53, 5432, 6379, 26379, 443, 4318})
    assert ports(rendered, "jobs") == (set(), {53, 5432})
    assert ports(rendered, "smoke-test") == (set(), {53, 5432, 3000})


def test_network_policies_follow_the_ports_that_other_values_name(render):
    rendered = render("database-in-parts")
    assert ports(rendered, "web")[1] == {53, 5433}
    assert ports(rendered, "worker")[1] == {53, 5433, 26380, 26379, 6379, 2525}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p%40:1@db/name", {5432}),
        ("postgres://u:p@db:6432/name?sslmode=require", {6432}),
        ("postgresql://u:p@one:5433,two:5434,[2001:db8::1]/name", {5433, 5434, 5432}),
        ("postgresql://[2001:db8::1]:5435", {5435}),
    ],
)
def test_the_ports_of_the_databases_url_are_open(render, url, expected):
    rendered = render(database={"existingSecret": "", "url": url}, networkPolicy={"enabled": True})
    assert ports(rendered, "jobs")[1] == {53, *expected}


def test_a_database_in_parts_is_libpqs_variables(render):
    for component in ("web", "worker", "migrations", "smoke-test"):
        given = environment(pod(render("database-in-parts"), component)["containers"][0])
        secret = {"name": "app.scheduling-db.credentials.postgresql.acid.zalan.do", "key": "password"}
        assert {name: value for name, value in given.items() if name.startswith("PG")} == {
            "PGHOST": "scheduling-db",
            "PGPORT": "5433",
            "PGDATABASE": "bookings",
            "PGUSER": "app",
            "PGPASSWORD": {"secretKeyRef": secret},
        }
        assert "DATABASE_URL" not in given


def test_what_the_cluster_wants_of_pods_reaches_every_pod(render):
    for _, _, spec in pods(render("extras")):
        assert spec["hostAliases"] == [{"ip": "192.0.2.1", "hostnames": ["mail.example.com"]}]
        assert spec["dnsConfig"] == {"options": [{"name": "ndots", "value": "1"}]}
        assert spec["runtimeClassName"] == "gvisor"
        assert environment(spec["containers"][0])["SCHEDULING_LOG_LEVEL"] == "WARNING"


def test_rollouts_and_budgets_are_the_operators(render):
    assert {d["spec"]["revisionHistoryLimit"] for d in of_kind(render("extras"), "Deployment")} == {3}
    rendered = render("database-in-parts")
    web, worker = (named(rendered, "Deployment", f"demo-scheduling-{c}")["spec"] for c in ("web", "worker"))
    assert web["strategy"] == {"type": "Recreate"}
    assert worker["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": "25%"}
    budgets = of_kind(rendered, "PodDisruptionBudget")
    assert [budget["spec"]["minAvailable"] for budget in budgets] == ["50%", 1]
    assert all("maxUnavailable" not in budget["spec"] for budget in budgets)
    [path] = of_kind(rendered, "Ingress")[0]["spec"]["rules"][0]["http"]["paths"]
    assert (path["path"], path["pathType"]) == ("/api", "ImplementationSpecific")


def test_who_may_call_the_api_includes_helm_test(render):
    policy = named(render("network-policies"), "NetworkPolicy", "demo-scheduling-web")
    rule = next(rule for rule in policy["spec"]["ingress"] if rule["ports"][0]["port"] == "http")
    assert [list(source) for source in rule["from"]] == [["namespaceSelector"], ["podSelector"]]
    assert rule["from"][1]["podSelector"]["matchExpressions"][0]["values"] == ["smoke-test"]


def test_nobody_is_kept_from_calling_an_api_for_which_nobody_is_named(render):
    policy = named(render("network-policies-open"), "NetworkPolicy", "demo-scheduling-web")
    assert all("from" not in rule for rule in policy["spec"]["ingress"])


def test_spread_constraints_count_only_the_pods_of_one_rollout(render):
    for constraint in pod(render(), "web")["topologySpreadConstraints"]:
        assert constraint["matchLabelKeys"] == ["pod-template-hash"]
        assert constraint["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == "web"


@pytest.fixture
def notes(helm4, tmp_path):
    """Return what an install prints, with other values over a value set of ci/."""

    def notes(value_set, **values):
        path = tmp_path / "values.yaml"
        path.write_text(yaml.safe_dump(values))
        # Helm 3 asks a cluster even so, and neither tells them with `helm template`.
        files = [f"--values={CHART}/ci/{value_set}-values.yaml", f"--values={path}"]
        return helm4.run("install", "demo", CHART, "--dry-run=client", "--namespace=apps", *files).partition(
            "NOTES:\n"
        )[2]

    return notes


def test_notes_say_what_to_do_next_and_what_is_missing(notes):
    assert "helm test demo --namespace apps --logs" in notes("existing-secrets")
    assert "http://localhost:3000/api/v1" in notes("existing-secrets")
    assert "--wait --wait-for-jobs" in notes("existing-secrets")
    assert "no e-mail leaves the cluster" in notes("existing-secrets")
    assert "secrets are given inline" in notes("inline-secrets")
    assert "no e-mail leaves the cluster" not in notes("inline-secrets")
    assert "https://api.example.org/api/v1" in notes("ingress")
    assert "scheduling db upgrade" in notes("no-migrations")
    assert "--wait-for-jobs" not in notes("no-migrations")
    assert "Nobody is an admin yet" not in notes("bootstrap-admin")


SCALED = {
    "web": {"autoscaling": {"enabled": True}},
    "worker": {"autoscaling": {"type": "hpa"}},
}
OWN_POOLS = {
    "extraEnv": [{"name": "SCHEDULING_DATABASE_POOL_SIZE", "value": "9"}],
    "web": {"extraEnv": [{"name": "SCHEDULING_DATABASE_POOL_SIZE", "value": "12"}]},
}


@pytest.mark.parametrize(
    ("values", "connections", "warns"),
    [
        ({}, "80 connections to the database at most: 5 * 1 * 10 + 3 * 10", False),
        (SCALED, "380 connections to the database at most: 25 * 1 * 10 + 13 * 10", True),
        (SCALED | {"database": {"maxConnections": 475}}, "380", False),
        (SCALED | {"database": {"maxConnections": 474}}, "380", True),
        (OWN_POOLS, "87 connections to the database at most: 5 * 1 * 12 + 3 * 9", True),
        ({"web": {"strategy": {"type": "Recreate"}}}, "70 connections", False),
        ({"web": {"server": "granian", "processes": 2}, "worker": {"replicas": 1}}, "120 connections", True),
    ],
)
def test_notes_say_how_many_connections_there_can_be(notes, values, connections, warns):
    said = notes("existing-secrets", **values)
    assert f"Web and worker pods take {connections}" in said
    assert ("WARNING: that is more than 80 % of database.maxConnections" in said) is warns
