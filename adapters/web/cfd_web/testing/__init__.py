"""A desk without a node behind it, for tests of all that stands before a desk."""

from cfd_web.testing.fake_desk import FakeDesk

__all__ = ["FakeDesk"]
