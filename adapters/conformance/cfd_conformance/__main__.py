"""`python -m cfd_conformance PACKAGE.MODULE:CLASS [words for pytest]`: ask an implementation all vectors."""

import sys

import pytest

if __name__ == "__main__":
    plugin = ["-p", "cfd_conformance.plugin", "-p", "no:cacheprovider", "--pyargs", "cfd_conformance.suite"]
    sys.exit(pytest.main([*plugin, "--implementation", *sys.argv[1:]]))
