"""What holds for every test."""

from hypothesis import HealthCheck, settings

# a test never fails on a clock: this machine may be busy
if settings.get_current_profile_name() == "default":
    settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("steady")
