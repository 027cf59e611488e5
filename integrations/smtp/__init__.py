"""Mails out over any SMTP server."""
