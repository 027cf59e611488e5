"""SendGrid: mails out over its API, receipts and replies in."""
