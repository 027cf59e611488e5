"""Mail for a developer's eyes: one `.eml` file each, shown by the mailbox page, nothing leaves the machine."""
