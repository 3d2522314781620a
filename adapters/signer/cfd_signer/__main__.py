"""`python -m cfd_signer`: the command `cfd-signer`."""

import sys

from cfd_signer.cli import main

if __name__ == "__main__":
    sys.exit(main())
