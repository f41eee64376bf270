"""What can go wrong with an expression, and where in it."""


class FHIRPathError(ValueError):
    """A bad expression, or one that cannot be evaluated on this data.

    `column` and `line` count from 1 and point at the part of the expression that is at fault; `column` is None only
    while a helper that does not know its place is being left.
    """

    def __init__(self, message: str, column: int | None = None, line: int = 1) -> None:
        super().__init__(message)
        self.message, self.column, self.line = message, column, line

    def __str__(self) -> str:
        if self.column is None:
            return self.message
        place = f"column {self.column}" if self.line == 1 else f"line {self.line}, column {self.column}"
        return f"{self.message} ({place})"

    def at(self, place: "tuple[int, int]") -> "FHIRPathError":
        """The same error with its (line, column) filled in, unless an inner part has already claimed it."""
        if self.column is None:
            self.line, self.column = place
        return self
