"""What happens by the clock: due jobs are enqueued, the jobs of dead workers given back, old ones removed, rates summed
up."""
