"""One file per `gapura` sub-command: `add_arguments(parser)` and `run(args) -> exit code`."""
