"""Plain nouns and rules: standard library only, no clock, no session, no network."""
