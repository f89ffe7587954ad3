"""The project's own benchmark: ``make bench``; README.md beside this file says how to read its figures."""
