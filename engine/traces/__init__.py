"""What happened to a sample: recorded while it runs, laid out for the person who reads it."""
