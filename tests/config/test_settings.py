from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import RAISE, Schema, fields, validate

from scheduling.config.settings import DEVELOPMENT_SECRET, MIN_SECRET_BYTES, CoreSchema, Settings
from scheduling.config.sources import Configuration, environment_variable
from scheduling.exceptions import StartupError
from scheduling.startup import set_up

SECRET = "a secret of the tests with more than 32 bytes"
GOOD = {"scheduling.database_url": "sqlite:///var/test.db", "scheduling.jwt_secret": SECRET}

# A wrong value for each setting that can be wrong, with its environment variable.
WRONG = {
    "APP_ENV": "staging",
    "CORS_CREDENTIALS": "maybe",
    "CORS_ORIGINS": "app.example.com",
    "DATABASE_URL": "mysql://localhost/scheduling",
    "EMAIL_FROM": "Us <us@example.com>\nBcc: eve@example.com",
    "EMAIL_RATE_LIMIT": "-1",
    "TRUSTED_PROXIES": "10.0.0.1/8",
    "RATE_LIMIT_ENABLED": "perhaps",
    "SCHEDULING_RATE_LIMIT_FAILED_LOGINS": "10001",
    "SCHEDULING_RATE_LIMIT_FAILED_LOGINS_PER_ADDRESS": "-1",
    "SCHEDULING_RATE_LIMIT_REGISTRATIONS": "some",
    "SCHEDULING_RATE_LIMIT_CALLS_PER_USER": "-1",
    "EMAIL_RETRY_ATTEMPTS": "three",
    "SCHEDULING_EMAIL_RETRY_DAYS": "31",
    "SCHEDULING_EMAIL_BRAND_NAME": "Acme\nBcc: eve@example.com",
    "SCHEDULING_EMAIL_BRAND_LOGO": "http://www.example.com/logo.png",
    "SCHEDULING_EMAIL_BRAND_COLOR": "red",
    "SCHEDULING_EMAIL_UNSUBSCRIBE_URL": "unsubscribe@example.com",
    "SCHEDULING_FRONTEND_URL": "app.example.com",
    "PORT": "65536",
    "SCHEDULING_METRICS_PORT": "65536",
    "SCHEDULING_OUTBOX_LEASE": "0",
    "SCHEDULING_OUTBOX_REPUBLISH": "soon",
    "SCHEDULING_OUTBOX_BACKOFF": "0",
    "SCHEDULING_OUTBOX_RETENTION_DAYS": "0",
    "REDIS_URL": "rediss://localhost:6379",
    "SCHEDULING_BROKER_SENTINEL_PLAINTEXT": "maybe",
    "SCHEDULING_BCRYPT_COST": "3",
    "SCHEDULING_EMAIL_CHANGE_NEEDS_PASSWORD": "maybe",
    "SCHEDULING_REQUIRE_IF_MATCH": "maybe",
    "SCHEDULING_DEFAULT_TIME_ZONE": "Berlin",
    "SCHEDULING_DATABASE_POOL_SIZE": "0",
    "SCHEDULING_DATABASE_TIMEOUT": "-1",
    "SCHEDULING_JWT_LIFETIME": "59",
    "SCHEDULING_LOG_LEVEL": "LOUD",
    "SCHEDULING_MAX_BODY_BYTES": "1 MiB",
}
NAMES = {"REDIS_URL": "broker_url"}
ANY_TEXT = {
    "broker_master",
    "broker_sentinel_username",
    "broker_sentinel_password",
    "host",
    "plugins",
    "email_provider",
    "email_api_key",
    "email_templates",
}


class PluginSchema(Schema):
    class Meta:
        unknown = RAISE

    url = fields.Url(required=True)
    size = fields.Integer(load_default=1, validate=validate.Range(1))
    token = fields.String(load_default="", metadata={"env": "THE_TOKEN"})


def loaded(ini=None, environ=None):
    configuration = Configuration(GOOD | (ini or {}), environ or {})
    core = configuration.section("scheduling", CoreSchema())
    if configuration.mistakes:
        raise configuration.failure()
    return Settings(**core)


def mistakes(ini=None, environ=None):
    """Give the lines of the one message that a start with these settings ends with, none if it does not."""
    try:
        loaded(ini, environ)
    except StartupError as error:
        return str(error).splitlines()[1:]
    return []


def key_of(variable):
    return NAMES.get(variable, variable.removeprefix("SCHEDULING_").lower())


def test_the_defaults_are_good_for_development():
    settings = loaded()
    assert (settings.app_env, settings.port, settings.email_provider) == ("development", 3000, "mock")
    assert (settings.email_rate_limit, settings.email_retry_attempts) == (30, 3)
    assert (settings.jwt_lifetime, settings.bcrypt_cost) == (7 * 24 * 3600, 10)
    assert settings.max_body_bytes == 1024 * 1024
    assert settings.embedded


def test_what_is_required_is_named_with_its_variable():
    with pytest.raises(StartupError) as stopped:
        set_up({}, {})
    for named in ("scheduling.database_url (DATABASE_URL)", "scheduling.jwt_secret (JWT_SECRET)"):
        assert str(stopped.value).count(named) == 1


@pytest.mark.parametrize(
    ("variable", "value", "name", "expected"),
    [
        ("PORT", "8080", "port", 8080),
        ("REDIS_URL", "redis://cache:6379/1", "broker_url", "redis://cache:6379/1"),
        (
            "JWT_SECRET",
            "another secret with more than 32 bytes",
            "jwt_secret",
            "another secret with more than 32 bytes",
        ),
        ("EMAIL_PROVIDER", "smtp", "email_provider", "smtp"),
        ("EMAIL_API_KEY", "key", "email_api_key", "key"),
        ("EMAIL_FROM", "Us <us@example.com>", "email_from", "Us <us@example.com>"),
        ("EMAIL_RATE_LIMIT", "1", "email_rate_limit", 1),
        ("RATE_LIMIT_ENABLED", "false", "rate_limit_enabled", False),
        (
            "TRUSTED_PROXIES",
            "10.0.0.0/8, fd00::/8 192.0.2.1",
            "trusted_proxies",
            [ip_network("10.0.0.0/8"), ip_network("fd00::/8"), ip_network("192.0.2.1/32")],
        ),
        (
            "TRUSTED_PROXIES",
            "::ffff:10.1.0.0/112 ::ffff:192.0.2.1 ::/0",
            "trusted_proxies",
            [ip_network("10.1.0.0/16"), ip_network("192.0.2.1/32"), ip_network("::/0")],
        ),
        ("EMAIL_RETRY_ATTEMPTS", "5", "email_retry_attempts", 5),
        ("APP_ENV", "production", "app_env", "production"),
        (
            "CORS_ORIGINS",
            "https://a.example, https://b.example",
            "cors_origins",
            ["https://a.example", "https://b.example"],
        ),
        ("SCHEDULING_PLUGINS", "bookings\nanalytics", "plugins", ["bookings", "analytics"]),
        ("SCHEDULING_HOST", "0.0.0.0", "host", "0.0.0.0"),  # noqa: S104
    ],
)
def test_a_variable_overrides_the_ini_file(variable, value, name, expected):
    assert getattr(loaded({f"scheduling.{name}": "1"}, {variable: value}), name) == expected


BRANDS = {
    "email_brand_name": ["", "Acme & Söhne 🎉"],
    "email_brand_logo": ["", "https://www.example.com/logo.png?v=1"],
    "email_brand_color": ["#3f4fc4", "#FFFFFF"],
    "email_unsubscribe_url": [
        *("", "https://app.example.com/preferences"),
        *("mailto:unsubscribe@example.com", "mailto:unsubscribe@example.com?subject=Unsubscribe%20me"),
    ],
    "frontend_url": ["", "https://app.example.com", "http://localhost:5173/", "https://example.com/app/#"],
}
NO_BRANDS = {
    "email_brand_name": ["x" * 61, "Acme\x1b[2J"],
    "email_brand_logo": ["logo.png", "data:image/png;base64,AA==", "https://u:p@example.com/logo.png"],
    "email_brand_color": ["", "#fff", "3f4fc4", "#3f4fc4;background:url(x)"],
    "email_unsubscribe_url": [
        *("http://app.example.com", "javascript:alert(1)", "mailto:unsubscribe", "mailto:a@b.example>, <x"),
        *("https://app.example.com/a b", "https://app.example.com/\r\nBcc:", "https://app.example.com/ö"),
    ],
    "frontend_url": [
        *("https://", "ftp://app.example.com", "https://app.example.com/?a=1", 'https://app.example.com/"'),
        *("https://user:password@app.example.com", "https://app.example.com:port", "https://[::1"),
    ],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in BRANDS for value in BRANDS[name]])
def test_what_emails_show_of_the_operator_is_taken(name, value):
    assert getattr(loaded({f"scheduling.{name}": value}), name) == value


@pytest.mark.parametrize(
    ("name", "value"), [(name, wrong) for name, all_wrong in NO_BRANDS.items() for wrong in all_wrong]
)
def test_what_emails_could_not_show_of_the_operator_is_refused(name, value):
    [mistake] = mistakes({f"scheduling.{name}": value})
    assert f"scheduling.{name}" in mistake


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("postgres://me:pw@db:5432/name", "postgresql+psycopg://me:pw@db:5432/name"),
        (
            "postgresql://me@db/name?sslmode=verify-full",
            "postgresql+psycopg://me@db/name?sslmode=verify-full",
        ),
        ("postgresql+psycopg://db/name", "postgresql+psycopg://db/name"),
        ("sqlite:////var/lib/scheduling.db", "sqlite:////var/lib/scheduling.db"),
    ],
)
def test_database_urls_are_read(url, read):
    database_url = loaded(environ={"DATABASE_URL": url}).database_url
    assert database_url.render_as_string(hide_password=False) == read


def test_an_empty_variable_counts_as_unset():
    assert loaded({"scheduling.port": "8080"}, {"PORT": "", "APP_ENV": ""}).port == 8080


def test_every_setting_is_either_any_text_or_has_a_wrong_value_here():
    wrong = {key_of(variable) for variable in WRONG}
    assert wrong.isdisjoint(ANY_TEXT)
    assert wrong | ANY_TEXT | {"jwt_secret", "jwt_secret_fallbacks"} == set(CoreSchema().fields)


@given(st.sets(st.sampled_from(sorted(WRONG)), min_size=1))
def test_every_wrong_setting_is_named_once_in_one_message_with_its_variable(wrong):
    told = mistakes(environ={variable: WRONG[variable] for variable in wrong})
    assert len(told) == len(wrong)
    for variable in wrong:
        assert sum(line.startswith(f"  - scheduling.{key_of(variable)} ({variable}) ") for line in told) == 1


def test_a_wrong_value_in_the_ini_file_is_named_so_too():
    told = mistakes({f"scheduling.{key_of(variable)}": value for variable, value in WRONG.items()})
    assert len(told) == len(WRONG)
    assert all(any(f"({variable})" in line for line in told) for variable in WRONG)


def test_the_mistakes_of_plugins_are_in_the_same_message():
    ini = GOOD | {"scheduling.port": "x", "hooks.url": "nowhere", "hooks.size": "0", "hooks.typo": "1"}
    configuration = Configuration(ini, {"SCHEDULING_HOOKS_SIZE": "-1"})
    configuration.section("scheduling", CoreSchema())
    configuration.section("hooks", PluginSchema())
    named = [line.split()[1:3] for line in str(configuration.failure()).splitlines()[1:]]
    assert sorted(name for name, _ in named) == ["hooks.size", "hooks.typo", "hooks.url", "scheduling.port"]
    assert ["hooks.size", "(SCHEDULING_HOOKS_SIZE)"] in named
    assert ["hooks.url", "(SCHEDULING_HOOKS_URL)"] in named


def test_a_plugin_reads_its_own_keys_and_variables():
    ini = {"hooks.url": "https://example.com", "other.size": "x", "scheduling.size": "x"}
    configuration = Configuration(ini, {"SCHEDULING_HOOKS_SIZE": "7", "THE_TOKEN": "t", "SIZE": "x"})
    assert configuration.section("hooks", PluginSchema()) == {
        "url": "https://example.com",
        "size": 7,
        "token": "t",
    }
    assert configuration.mistakes == []


@given(st.from_regex("[a-z_]{1,20}", fullmatch=True).filter(lambda name: name not in CoreSchema().fields))
def test_an_unknown_key_is_refused(name):
    assert mistakes({f"scheduling.{name}": "1"}) == [f"  - scheduling.{name} is not a setting"]


def mistakes_of_a_start(ini=None, environ=None):
    try:
        set_up(GOOD | (ini or {}), environ or {})
    except StartupError as error:
        return str(error).splitlines()[1:]
    return []


def test_a_key_below_a_name_that_nobody_has_is_refused():
    told = mistakes_of_a_start({"schedulng.port": "1", "smpt.host": "mail", "scheduling.port": "x"})
    assert [line.split()[1] for line in told] == ["scheduling.port", "schedulng.port", "smpt.host"]


@pytest.mark.parametrize(
    "key",
    [
        "pyramid.reload_templates",
        "debug_all",
        "secrets_folder",
        "bookings.anything",  # a plugin that is installed and not enabled
        "smtp.host",  # a provider that is installed and not chosen
    ],
)
def test_a_key_that_has_an_owner_is_none_of_our_business(key):
    assert mistakes_of_a_start({key: "x"}) == []


def test_with_add_ons_of_pyramid_any_key_may_have_an_owner():
    assert mistakes_of_a_start({"pyramid.includes": "pyramid_mailer", "mail.host": "x"}) == []


def test_a_plugin_that_is_not_there_is_one_mistake_with_its_keys():
    [line] = mistakes_of_a_start({"scheduling.plugins": "weather", "weather.city": "Bern"})
    assert "'weather' is enabled but not installed" in line


def test_a_provider_that_refuses_its_settings_is_told_with_the_other_mistakes():
    told = mistakes_of_a_start({"schedulng.port": "1"}, {"EMAIL_PROVIDER": "resend"})
    assert len(told) == 2
    assert "EMAIL_API_KEY" in told[0]


@pytest.mark.parametrize(
    "origin",
    [
        "app.example.com",
        "//app.example.com",
        "https://app.example.com/",
        "https://app.example.com/path",
        "https://*.example.com",
        "https://app.example.com:*",
        "https://me@app.example.com",
        "https://app.example.com?x=1",
        "https://app.example.com:443",
        "https://App.example.com",
        "https://bücher.example",
        "https://",
        "https://app.example.com:port",
        "https://[app",
        "null",
    ],
)
def test_an_origin_that_no_browser_sends_is_refused(origin):
    [line] = mistakes(environ={"CORS_ORIGINS": f"https://good.example {origin}"})
    assert line.startswith("  - scheduling.cors_origins (CORS_ORIGINS) must be origins ")
    assert line.endswith(f"these are none: {origin}")


def test_origins_of_all_kinds_are_taken():
    origins = [
        "http://localhost:5173",
        "https://[::1]:8443",
        "capacitor://localhost",
        "https://xn--bcher-kva.ch",
    ]
    assert loaded(environ={"CORS_ORIGINS": " ".join(origins)}).cors_origins == origins
    assert loaded(environ={"CORS_ORIGINS": "*"}).cors_origins == ["*"]


def test_one_port_cannot_have_the_api_and_the_metrics():
    [line] = mistakes(environ={"PORT": "9100"})
    assert line.startswith("  - scheduling.port (PORT) must not be the port of the metrics")
    assert mistakes(environ={"PORT": "9100", "SCHEDULING_METRICS_PORT": "9101"}) == []


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_a_line_end_is_taken_from_secrets_and_refused_elsewhere(end):
    given = {
        "JWT_SECRET": SECRET,
        "JWT_SECRET_FALLBACKS": SECRET.replace(" ", ""),
        "DATABASE_URL": "postgresql://me:pw@db/name",
        "REDIS_URL": "redis://:pw@cache",
        "EMAIL_API_KEY": "key",
        "SCHEDULING_BROKER_SENTINEL_PASSWORD": "pw",
    }
    assert loaded(environ={name: value + end for name, value in given.items()}) == loaded(environ=given)
    variables = {environment_variable("scheduling", *item): item[0] for item in CoreSchema().fields.items()}
    for variable in variables.keys() - given.keys():
        told = mistakes(environ={variable: f"1{end}"})
        assert (
            f"  - scheduling.{variables[variable]} ({variable}) ends with a line end; take that away" in told
        )


def test_a_secret_of_a_provider_loses_its_line_end_too():
    environ = {"EMAIL_PROVIDER": "smtp", "SMTP_HOST": "mail", "SMTP_USER": "me", "SMTP_PASS": "pw\n"}
    assert set_up(GOOD, environ).email_provider.options["password"] == "pw"
    [line] = mistakes_of_a_start(environ=environ | {"SMTP_USER": "me\n"})
    assert line.startswith("  - smtp.user (SMTP_USER) ends with a line end")


@pytest.mark.parametrize("origins", ["*", "https://a.example, *"])
def test_credentials_for_every_origin_are_refused(origins):
    [line] = mistakes(environ={"CORS_CREDENTIALS": "true", "CORS_ORIGINS": origins})
    assert line.startswith("  - scheduling.cors_credentials (CORS_CREDENTIALS) ")
    assert mistakes(environ={"CORS_CREDENTIALS": "false", "CORS_ORIGINS": origins}) == []
    assert mistakes(environ={"CORS_CREDENTIALS": "true", "CORS_ORIGINS": "https://a.example"}) == []


@pytest.mark.parametrize("secret", [DEVELOPMENT_SECRET, "x", "x" * (MIN_SECRET_BYTES - 1), "é" * 15 + "x"])
def test_production_refuses_the_development_secret_and_short_ones(secret):
    assert mistakes({"scheduling.jwt_secret": secret}) == []
    for told in (
        mistakes({"scheduling.app_env": "production", "scheduling.jwt_secret": secret}),
        mistakes(environ={"APP_ENV": "production", "JWT_SECRET": secret}),
    ):
        [line] = told
        assert line.startswith("  - scheduling.jwt_secret (JWT_SECRET) ")


@pytest.mark.parametrize("secret", [DEVELOPMENT_SECRET, "x", "x" * (MIN_SECRET_BYTES - 1)])
def test_production_refuses_a_fallback_that_would_be_no_secret(secret):
    fallbacks = {"JWT_SECRET_FALLBACKS": f"{SECRET.replace(' ', '-')}\n{secret}"}
    assert mistakes(environ=fallbacks) == []
    [line] = mistakes(environ={"APP_ENV": "production", **fallbacks})
    assert line.startswith("  - scheduling.jwt_secret_fallbacks (JWT_SECRET_FALLBACKS) ")


def test_all_weak_secrets_are_told_together():
    told = mistakes(
        environ={"APP_ENV": "production", "JWT_SECRET": "short", "JWT_SECRET_FALLBACKS": "too short"}
    )
    assert len(told) == 2


def test_fallbacks_are_separated_by_white_space_and_may_have_commas():
    assert loaded().jwt_secret_fallbacks == []
    assert loaded(environ={"JWT_SECRET_FALLBACKS": " a,b\tc\n d "}).jwt_secret_fallbacks == ["a,b", "c", "d"]


def test_the_line_end_of_a_secrets_file_is_no_part_of_the_secret():
    assert loaded(environ={"JWT_SECRET": f"{SECRET}\n"}).jwt_secret == SECRET


@pytest.mark.parametrize("secret", ["x" * MIN_SECRET_BYTES, "é" * 16])
def test_production_takes_a_secret_of_32_bytes(secret):
    assert loaded(environ={"APP_ENV": "production", "JWT_SECRET": secret}).jwt_secret == secret


def test_a_bad_secret_is_told_together_with_the_other_mistakes():
    told = mistakes(environ={"APP_ENV": "production", "JWT_SECRET": "short", "PORT": "x"})
    assert sorted(line.split()[1] for line in told) == ["scheduling.jwt_secret", "scheduling.port"]


@pytest.mark.parametrize(
    "url",
    [
        "rediss://cache:6379",
        "rediss://cache:6379?ssl_cert_reqs=none",
        "rediss://cache:6379?ssl_cert_reqs=optional",
        "rediss://cache:6379?ssl_cert_reqs=required&ssl_cert_reqs=none",
        "rediss://cache:6379?ssl_cert_reqs=CERT_NONE",
        "rediss://cache:6379?ssl_cert_reqs=Required",
        "rediss://cache:6379?ssl_cert_reqs=required&ssl_check_hostname=false",
        "rediss://cache:6379?ssl_cert_reqs=required&ssl_check_hostname=False",
        "rediss://one:6379?ssl_cert_reqs=required;rediss://two:6379",
        "rediss://one:6379;rediss://two:6379?ssl_cert_reqs=required",
        "redis://one:6379;rediss://two:6379",
        "redis://cache:6379?ssl_cert_reqs=none",
        "redis://cache:6379?ssl_ca_certs=/ca.pem",
        "sentinel://one:26379?ssl_cert_reqs=none",
        "sentinel://one:26379?ssl_cert_reqs=required;sentinel://two:26379",
        "sentinel://one:26379;redis://two:6379",
        "REDISS://cache:6379",
        "http://cache",
        "cache:6379",
        "redis://[cache",
    ],
)
def test_a_broker_that_is_not_verified_or_no_broker_is_refused(url):
    [line] = mistakes(environ={"REDIS_URL": url})
    assert line.startswith("  - scheduling.broker_url (REDIS_URL) ")


@pytest.mark.parametrize(
    "url",
    [
        "redis://cache:6379/0",
        "redis://one:6379;redis://two:6379",
        "rediss://:pw@cache:6379/0?ssl_cert_reqs=required",
        "rediss://cache:6379/0?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs=/ca.pem",
        "rediss://one:6379?ssl_cert_reqs=required;rediss://two:6379?ssl_cert_reqs=required",
        "sentinel://one:26379;sentinel://two:26379",
        "sentinel://one:26379?ssl_cert_reqs=required;sentinel://two:26379?ssl_cert_reqs=required",
    ],
)
def test_a_broker_that_can_be_shared_is_not_embedded(url):
    settings = loaded(environ={"REDIS_URL": url})
    assert settings.broker_url == url
    assert not settings.embedded


@pytest.mark.parametrize(
    "sender",
    [
        "Acme, Inc. <noreply@acme.example>",
        "Acme; <noreply@acme.example>",
        "Acme: sales <noreply@acme.example>",
        "Acme @ home <noreply@acme.example>",
        '"Acme <noreply@acme.example>',
        "Acme <noreply@acme.example",
        "Acme noreply@acme.example",
        "Acme <noreply@acme.example>, Us <us@acme.example>",
        "Acme <no reply@acme.example>",
        "Acme <noreply@acme..example>",
        "Acme <@acme.example>",
        "Acme <noreply@>",
        "noreply@",
        "noreply",
        "Acme <>",
        "Acme",
        " ",
        "Us <us@example.com>\nBcc: eve@example.com",
        f"noreply@{'x' * 64}.example",
    ],
)
@pytest.mark.parametrize("provider", ["mock", "smtp"])
def test_a_sender_that_is_not_one_mailbox_is_refused_for_every_provider(sender, provider):
    environ = {"EMAIL_FROM": sender, "EMAIL_PROVIDER": provider, "SMTP_HOST": "mail"}
    [line] = mistakes_of_a_start(environ=environ)
    assert line.startswith("  - scheduling.email_from (EMAIL_FROM) must be one address")


@pytest.mark.parametrize(
    "sender",
    [
        "noreply@localhost",
        "<noreply@acme.example>",
        '"Acme, Inc." <noreply@acme.example>',
        "Acme Inc. <noreply@acme.example>",
        "Acme (sales) <noreply@acme.example>",
        "O'Neill & “Söhne” 東 <noreply@acme.example>",
        "Acme <grüße@bücher.example>",
        "Acme <noreply@[192.0.2.1]>",
    ],
)
def test_a_sender_is_kept_as_it_was_given(sender):
    assert loaded(environ={"EMAIL_FROM": sender}).email_from == sender


SECRETS = {
    "JWT_SECRET": "hunter2 hunter2 hunter2 hunter2 hunter2",
    "JWT_SECRET_FALLBACKS": "hunter2 hunter2",
    "DATABASE_URL": "postgresql://me:hunter2@db/name",
    "REDIS_URL": "redis://:hunter2@cache",
    "SCHEDULING_BROKER_SENTINEL_PASSWORD": "hunter2",
    "EMAIL_API_KEY": "hunter2",
}


def test_no_secret_is_in_the_repr():
    settings = loaded(environ=SECRETS)
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings)
    assert "3000" in repr(settings)


@given(
    st.sampled_from(
        [
            "{}",
            "x{}",
            "mysql://me:{}@db/x",
            "rediss://:{}@cache",
            "redis://:x@{}@cache",
            "redis://:x/{}@cache",
            "redis://:1/{}@cache",
            "redis://:x?{}@cache",
            "redis://:x#{}@cache",
            "redis://:x{}",
            "postgresql://me:{}@db:port/x",
            "postgresql://me:x@{}@db/x",
            "postgresql://me:x/{}@db/x",
            "postgresql://me:1/{}@db/x",
            "postgresql://me:x/@{}@db/x",
            "postgresql://me:1?{}@db/x",
            "postgresql://me:1?{}/@db/x",
            "postgresql://me:%{}@db/x",
            "postgresql://me:{}@db/x?{}",
            "postgresql://me:{}@db/x?{}=1",
        ]
    )
)
def test_no_secret_is_in_the_message(shape):
    wrong = {variable: shape.replace("{}", "hunter2") for variable in SECRETS} | {"APP_ENV": "production"}
    told = mistakes(environ=wrong)
    assert told
    assert "hunter2" not in "\n".join(told)
