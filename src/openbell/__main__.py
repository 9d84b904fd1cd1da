"""`python -m openbell`: the same door as the `openbell` command."""

from openbell.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
