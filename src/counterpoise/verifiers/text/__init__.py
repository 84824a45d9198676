"""Reading an answer: where it stands in a response, what is presentation, which numbers, units, dates and letters it holds."""
