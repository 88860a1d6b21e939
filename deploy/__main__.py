"""The command line, which the Makefile's targets call: `python -m deploy <command> --env dev|prod`."""

import argparse
import sys

from deploy import package
from deploy.errors import DeployError

MEGABYTE = 1e6


def main() -> int:
    """Do what the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m deploy", description="Brings the pipeline to AWS.")
    parser.add_argument("command", choices=["package"])
    parser.parse_args()
    try:
        built = package.build()
        print(f"{built.folder}: {built.files} files, {built.size_bytes / MEGABYTE:.0f} MB")
    except DeployError as error:
        print(f"deploy: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
