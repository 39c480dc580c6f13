"""The yardsticks: other job queues in their own environments, and the database alone."""
