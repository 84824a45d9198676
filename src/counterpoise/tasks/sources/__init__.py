"""Problems that others wrote: from files, packages and the hub, one source a file."""
