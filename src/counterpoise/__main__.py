"""`python -m counterpoise`: the command `counterpoise`."""

from counterpoise.cli.app import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
