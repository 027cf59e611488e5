"""`python -m app.cli`: the same as `cartwheel`."""

from app.cli import main

if __name__ == "__main__":
    main()
