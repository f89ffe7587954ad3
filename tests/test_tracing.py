import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling import tracing
from scheduling.tracing import TraceParent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

hexadecimal = "0123456789abcdef"


def digits(number):
    return st.text(hexadecimal, min_size=number, max_size=number).filter(lambda text: text.strip("0"))


@given(digits(32), digits(16), st.booleans())
def test_what_is_written_can_be_read(trace_id, span_id, sampled):
    span = TraceParent(trace_id, span_id, sampled)
    assert tracing.parse(str(span)) == span


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),  # flags that are not known yet are not taken for others
        (f"00-{TRACE}-{SPAN}-fe", False),
        (f"01-{TRACE}-{SPAN}-01", True),  # so are versions
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", True),
        (f"fe-{TRACE}-{SPAN}-01-", True),
    ],
)
def test_a_valid_header_is_read(header, sampled):
    assert tracing.parse(header) == TraceParent(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "nonsense",
        f"ff-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN.upper()}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}0-{SPAN}-01",
        f"00-{TRACE}-{SPAN[1:]}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-0g",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE}-{SPAN}-01-more",
        f"01-{TRACE}-{SPAN}-01more",
        f"00_{TRACE}_{SPAN}_01",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-\u0660\u0661",
    ],
)
def test_a_header_that_is_not_valid_begins_another_trace(header):
    assert tracing.parse(header) is None
    span = tracing.continue_trace(header)
    assert span.trace_id != TRACE
    assert not span.sampled
    assert tracing.parse(str(span)) == span


@pytest.mark.parametrize("flags", ["00", "01"])
def test_a_child_is_another_span_of_the_same_trace(flags):
    spans = [tracing.continue_trace(f"00-{TRACE}-{SPAN}-{flags}") for _ in range(3)]
    assert {span.trace_id for span in spans} == {TRACE}
    assert len({SPAN, *(span.span_id for span in spans)}) == 4
    assert all(str(span).endswith(f"-{flags}") for span in spans)


def test_a_span_is_the_current_one_within_its_block():
    outer, inner = tracing.new_trace(), tracing.new_trace()
    assert tracing.current() is None
    with tracing.as_current(outer):
        with tracing.as_current(inner):
            assert tracing.current() == inner
        assert tracing.current() == outer
    assert tracing.current() is None
