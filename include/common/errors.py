"""What can go wrong, named for what the operator does next."""


class DeclarationError(Exception):
    """A declaration, a setting or a grant is wrong: fix it and run again. A retry cannot help."""


class DataError(Exception):
    """The source, the recorded state or the warehouse is not what was declared: look at what the message names."""


class ServiceError(Exception):
    """A database or an AWS service did not answer: a retry can help; the scheduler makes it."""
