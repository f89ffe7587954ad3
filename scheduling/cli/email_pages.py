"""Writes e-mails as files for a browser: each as it is sent, and a page that shows all, light and dark."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from scheduling.email.rendering import Rendered

_DARK = "(prefers-color-scheme: dark)"
"""What the style of mail/layout.html asks, and the page answers, whatever the browser's colours are."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>E-mails</title>
<style>
body {{ margin: 2rem; background: #fff; color: #1d1f24; font: 16px/1.5 system-ui, sans-serif; }}
div {{ display: flex; flex-wrap: wrap; gap: 1rem; margin-bottom: 3rem; }}
iframe {{ box-sizing: border-box; height: 640px; border: 1px solid #c9cdd6; border-radius: 8px; }}
pre {{ flex: 1 1 30rem; margin: 0; padding: 1rem; background: #f2f3f6; white-space: pre-wrap; }}
</style>
</head>
<body>
<h1>E-mails</h1>
{emails}
</body>
</html>
"""

_EMAIL = """<h2>{kind}</h2>
<p>Subject: {subject}</p>
<div>
{frames}
<pre>{text}</pre>
</div>
"""

_FRAME = '<iframe title="{title}" width="{width}" sandbox srcdoc="{html}"></iframe>'

_FRAMES = (("light", 640, "not all"), ("dark", 640, "all"), ("light, narrow", 375, "not all"))


def write_pages(folder: Path, mails: Mapping[str, Rendered]) -> Path:
    """Write ``<KIND>.html`` and ``<KIND>.txt`` for each mail, and ``index.html``, whose path is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, mail in mails.items():
        (folder / f"{kind}.html").write_text(mail.html, encoding="utf-8")
        (folder / f"{kind}.txt").write_text(mail.text, encoding="utf-8")
    index = folder / "index.html"
    emails = "".join(_email(kind, mail) for kind, mail in sorted(mails.items()))
    index.write_text(_PAGE.format(emails=emails), encoding="utf-8")
    return index


def _email(kind: str, mail: Rendered) -> str:
    frames = "\n".join(
        _FRAME.format(title=f"{kind}, {title}", width=width, html=escape(mail.html.replace(_DARK, answer)))
        for title, width, answer in _FRAMES
    )
    text = escape(mail.text)
    return _EMAIL.format(kind=escape(kind), subject=escape(mail.subject), frames=frames, text=text)
