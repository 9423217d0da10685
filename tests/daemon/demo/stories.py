"""A short story for tests: half a day, in which everything goes wrong early."""

from daemon.demo.story import HOUR, Incident, Story, one_monday


def half_a_day() -> Story:
    """Three incidents of the demo, after four calm hours. Alerts are provisional, for no reference spans a day."""
    begins = {"pricing": (4 * HOUR, 7 * HOUR), "fraud": (5 * HOUR, 12 * HOUR), "credit": (5 * HOUR, 13 * HOUR)}
    usual = one_monday()
    incidents = tuple(
        Incident(each.model, *begins[each.model], each.what, each.monitors, each.feature, each.upstream, each.unseen)
        for each in usual.incidents
    )
    return Story(usual.start, 13 * HOUR, incidents, usual.per_second)
