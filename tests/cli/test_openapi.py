"""`scheduling openapi`: the document of the API, without a database."""

import json

import yaml

NOWHERE = "postgresql://scheduling@127.0.0.1:1/scheduling"


def test_the_document_is_printed_as_json(command_output):
    document = json.loads("\n".join(command_output("openapi", DATABASE_URL=NOWHERE)))
    assert document["openapi"] == "3.1.0"
    assert "/api/v1/bookings" in document["paths"]
    assert "/api/v1/organizations" not in document["paths"]


def test_yaml_says_the_same(command_output):
    lines = command_output("openapi", "--yaml", DATABASE_URL=NOWHERE)
    assert lines[0] == "openapi: 3.1.0"
    assert yaml.safe_load("\n".join(lines)) == json.loads("\n".join(command_output("openapi")))


def test_a_third_partys_plugin_is_in_it(command_output, install_plugin):
    views = """
from pyramid.authorization import Allow, Authenticated
from pyramid.view import view_config
from scheduling.plugin import Resource

class Weather(Resource):
    def __acl__(self):
        return [(Allow, Authenticated, "view")]

@view_config(context=Weather, request_method="GET", permission="view")
def show(context, request):
    '''Tell the weather.'''
    return {"wind": 12}
"""
    includeme = """
from acme.views import Weather
config.add_api_resource("weather", Weather)
config.scan("acme.views")
"""
    install_plugin("acme", includeme=includeme, files={"views.py": views})

    document = json.loads("\n".join(command_output("openapi", SCHEDULING_PLUGINS="acme")))

    operation = document["paths"]["/api/v1/weather"]["get"]
    assert (operation["operationId"], operation["summary"]) == ("get_weather", "Tell the weather")
