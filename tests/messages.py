"""What an error's message must be."""


def one_line(error: BaseException, *named: str) -> str:
    """The message of an error, which is one line that names all of these."""
    message = str(error)
    assert "\n" not in message
    missing = [name for name in named if name not in message]
    assert not missing, f"{message!r} does not name {missing}"
    return message
