"""The one error of this package."""


class DeployError(Exception):
    """What stops a deployment. The message says what to do; it is all that the user is shown."""
