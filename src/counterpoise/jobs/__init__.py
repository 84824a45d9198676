"""What a command does, put together from stages and the local engine: evaluate, advise, explain, study, grade again, import."""
