"""Maintenance by the leader: enqueue due jobs, rescue jobs of dead workers, remove ended jobs, aggregate the chart."""
