"""What holds for every test."""

import pytest
from hypothesis import HealthCheck, settings

# a test never fails on a clock: this machine may be busy
if settings.get_current_profile_name() == "default":
    settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("steady")


class FailuresAtOnce:
    """Writes the name of a failed test below its "F", which may stand there for minutes before the summary comes."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self._terminal.verbosity <= 0:  # -v names every test already
            self._terminal.write_line(f"\nFAILED {report.nodeid} ({report.when})", red=True)


@pytest.hookimpl(trylast=True)  # the terminal is one of those that are made then
def pytest_configure(config: pytest.Config) -> None:
    """The workers of pytest-xdist have no terminal; their reports come to the one who has."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if isinstance(terminal, pytest.TerminalReporter):
        config.pluginmanager.register(FailuresAtOnce(terminal))
