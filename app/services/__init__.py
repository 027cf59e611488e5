"""Use cases as plain functions: `verb(session, ..., now)`. They never commit, never ring, never read the clock."""
