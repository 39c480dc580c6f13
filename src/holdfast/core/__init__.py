"""The meaning of a job: pure values and rules, which import nothing of ours and do no I/O, read no clock and draw no
chance."""
