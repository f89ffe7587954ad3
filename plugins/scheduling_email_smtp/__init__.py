"""SMTP as an e-mail provider: any mail server that takes submissions (RFC 6409)."""

from scheduling_email_smtp.provider import SmtpProvider

__all__ = ["SmtpProvider"]
