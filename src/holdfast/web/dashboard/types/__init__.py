"""The pages of job types and the form for a new job."""
