"""Messages that leave the system: the outbox, the worker that delivers them, and its housekeeping tasks.

It may import ``web`` and what lies below that.
"""
