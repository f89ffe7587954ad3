import psycopg
import pytest
import sqlalchemy as sa

from scheduling.db.failures import one_line


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("connection failed: refused\n\tIs the server running?\n", "connection failed: refused"),
        ("\n  terminating connection\nDETAIL:  …", "terminating connection"),
        ("one line", "one line"),
        ("", "OperationalError"),
        ("\n", "OperationalError"),
    ],
)
def test_what_the_driver_said_is_told_in_one_line(said, told):
    error = sa.exc.OperationalError("SELECT 1", {}, psycopg.OperationalError(said))
    assert one_line(error) == told
