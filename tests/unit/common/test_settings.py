"""What is missing is named as it is called where it would be found."""

import json

import pytest

from include.common.errors import DeclarationError
from include.common.postgres import connect
from include.common.settings import required_variable


@pytest.mark.parametrize("prefix", ["", "totesys-prod/"])
def test_a_missing_secret_is_named_as_on_aws(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    if prefix:
        given = {f"{kind}_prefix": f"{prefix}airflow/{kind}" for kind in ("connections", "variables")}
        monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND_KWARGS", json.dumps(given))
    with pytest.raises(DeclarationError, match=rf"AIRFLOW_VAR_NOT_THERE, or {prefix}airflow/variables/not_there in"):
        required_variable("not_there")
    with (
        pytest.raises(DeclarationError, match=rf"AIRFLOW_CONN_NOBODY, or {prefix}airflow/connections/nobody in"),
        connect("nobody"),
    ):
        pass
