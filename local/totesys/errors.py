"""What the simulator refuses to do."""


class SimulatorError(Exception):
    """The request cannot be met: the message names what is wrong and what to do; nothing was written."""
