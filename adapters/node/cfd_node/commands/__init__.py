"""One module for each subcommand of `cfd`."""
