"""What the house tells about its own work: counters, the ids of a log line, traces, errors. The lowest floor."""
