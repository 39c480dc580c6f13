"""Three places to run a job in: the event loop, a thread, a child process. All three speak through the same port."""
