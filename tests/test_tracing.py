import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling import tracing
from scheduling.tracing import TraceParent

TRACE, STEP = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

hexadecimal = "0123456789abcdef"


def digits(number):
    return st.text(hexadecimal, min_size=number, max_size=number).filter(lambda text: text.strip("0"))


@given(digits(32), digits(16), st.booleans())
def test_what_is_written_can_be_read(trace_id, step_id, sampled):
    step = TraceParent(trace_id, step_id, sampled)
    assert tracing.parse(str(step)) == step


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"00-{TRACE}-{STEP}-01", True),
        (f"00-{TRACE}-{STEP}-00", False),
        (f"00-{TRACE}-{STEP}-03", True),  # flags that are not known yet are not taken for others
        (f"00-{TRACE}-{STEP}-fe", False),
        (f"01-{TRACE}-{STEP}-01", True),  # so are versions
        (f"cc-{TRACE}-{STEP}-01-what-the-future-will-be-like", True),
        (f"fe-{TRACE}-{STEP}-01-", True),
    ],
)
def test_a_valid_header_is_read(header, sampled):
    assert tracing.parse(header) == TraceParent(TRACE, STEP, sampled)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "nonsense",
        f"ff-{TRACE}-{STEP}-01",
        f"0-{TRACE}-{STEP}-01",
        f"00-{'0' * 32}-{STEP}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{STEP}-01",
        f"00-{TRACE}-{STEP.upper()}-01",
        f"00-{TRACE[1:]}-{STEP}-01",
        f"00-{TRACE}0-{STEP}-01",
        f"00-{TRACE}-{STEP[1:]}-01",
        f"00-{TRACE}-{STEP}-1",
        f"00-{TRACE}-{STEP}-0g",
        f"00-{TRACE}-{STEP}",
        f"00-{TRACE}-{STEP}-01-",
        f"00-{TRACE}-{STEP}-01-more",
        f"01-{TRACE}-{STEP}-01more",
        f"00_{TRACE}_{STEP}_01",
        f" 00-{TRACE}-{STEP}-01",
        f"00-{TRACE}-{STEP}-01\n",
        f"00-{TRACE}-{STEP}-01,00-{TRACE}-{STEP}-01",
        f"00-{TRACE}-{STEP}-\u0660\u0661",
    ],
)
def test_a_header_that_is_not_valid_begins_another_trace(header):
    assert tracing.parse(header) is None
    step = tracing.follow(header)
    assert step.trace_id != TRACE
    assert not step.sampled
    assert tracing.parse(str(step)) == step


@pytest.mark.parametrize("flags", ["00", "01"])
def test_the_next_step_is_another_one_of_the_same_trace(flags):
    steps = [tracing.follow(f"00-{TRACE}-{STEP}-{flags}") for _ in range(3)]
    assert {step.trace_id for step in steps} == {TRACE}
    assert len({STEP, *(step.step_id for step in steps)}) == 4
    assert all(str(step).endswith(f"-{flags}") for step in steps)


def test_a_step_is_the_current_one_while_it_is_taken():
    outer, inner = tracing.start(), tracing.start()
    assert tracing.current() is None
    with tracing.taking(outer):
        with tracing.taking(inner):
            assert tracing.current() == inner
        assert tracing.current() == outer
    assert tracing.current() is None
