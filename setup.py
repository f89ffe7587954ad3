"""Maps the two source roots and the migrations to packages; the metadata is in setup.cfg.

``find:`` in setup.cfg takes a single root, and this project has two: the core package beside
this file, and the plugins, every folder of which is an import package of its own. Core's
migrations lie in ``alembic/`` and are installed as ``scheduling.alembic``.
"""

from setuptools import find_packages, setup

core = find_packages(include=["scheduling", "scheduling.*"])
plugins = find_packages("plugins", include=["scheduling_*"])
data = ["py.typed", "templates/**/*", "static/**/*", "migrations/**/*.py"]

setup(
    packages=[*core, *plugins, "scheduling.alembic"],
    package_dir={
        **{name: f"plugins/{name}" for name in plugins if "." not in name},
        "scheduling.alembic": "alembic",
    },
    package_data={
        **dict.fromkeys([*core, *plugins], data),
        "scheduling.alembic": ["script.py.mako", "env.py", "versions/*.py"],
    },
)
