"""Messages that leave the system: the outbox, the relay and the consumers that work it off, housekeeping.

It may import ``web`` and what lies below that.
"""
