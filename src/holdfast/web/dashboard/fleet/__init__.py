"""The pages of queues and workers."""
