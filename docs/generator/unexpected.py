class Unexpected(Exception):
    """A source holds what the pages would not show, or not rightly. Says where, and where it can what to do."""
