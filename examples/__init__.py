"""Examples: `app` holds the sample jobs, `producer` queues one every five seconds, `python -m examples` runs it all."""
