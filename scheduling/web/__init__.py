"""HTTP: the request, the tweens around it, the resource tree, schemas, views, answers and problems.

It may import ``security``, ``events``, ``db`` and what lies below those.
"""
