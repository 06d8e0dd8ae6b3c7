"""python -m augcon is the same as augcon."""

from augcon.cli import main

main()
