"""`python -m soundkin`: the command line."""

from soundkin.cli.main import main

if __name__ == "__main__":
    main()
