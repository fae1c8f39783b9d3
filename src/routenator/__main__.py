"""`python -m routenator`."""

from routenator.engine.cli.main import main

main()
