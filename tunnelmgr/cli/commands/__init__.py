"""One module a command, each with a click object of its name; imported when invoked."""
