"""The floor of the ingest bench: a Flask route that reads the body and answers 200, on the server of `cartwheel web`."""

import sys
from typing import Any

import granian
from flask import Flask, request


def load_app() -> Flask:
    """Make the bare app, in each of granian's workers."""
    app = Flask("bare")

    @app.get("/healthz")
    def alive() -> str:
        return "alive"

    @app.post("/webhooks/shopify")
    def receive() -> tuple[str, int]:
        request.get_data()
        return "", 200

    return app


class _SameFlags(granian.Granian):  # type: ignore[misc]
    """Granian with whatever flags `cartwheel web` gives it, and our app."""

    def __init__(self, _target: str, **flags: Any) -> None:
        super().__init__("tests.bench.bare:load_app", **flags)


if __name__ == "__main__":
    granian.Granian = _SameFlags  # type: ignore[misc]
    from app.cli import serve

    serve._serve_web("127.0.0.1", int(sys.argv[1]), 2)
