"""A study as asked for, from plan to record: needs, fetch, forecast, execute, judge."""
