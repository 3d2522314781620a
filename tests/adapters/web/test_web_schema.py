"""The API against its own description: schemathesis makes requests, right and wrong ones, and judges the answers."""

import copy
from typing import Any

import schemathesis
from cfd_web.answers import MemoryAnswers
from cfd_web.app import OPENAPI, Api, ApiSettings
from cfd_web.testing import FakeDesk
from hypothesis import HealthCheck, Phase, settings

from cfd_core.values import Secret

EVENTS = "/api/v1/events"


def _described() -> tuple[Api, dict[str, Any]]:
    api = Api(FakeDesk(), MemoryAnswers(), ApiSettings(token=Secret(b"t" * 43)))
    document = copy.deepcopy(api.inner.openapi())
    del document["paths"][EVENTS]  # it never ends
    return api, document


API, DOCUMENT = _described()
schema = schemathesis.openapi.from_dict(DOCUMENT)
schema.app = API.app


@schema.parametrize()
@settings(
    max_examples=5,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_api_does_what_it_says(case: schemathesis.Case[Any]) -> None:
    API.moves._answers = MemoryAnswers()  # a key that another example used is refused, and rightly so
    case.call_and_validate(headers={"Authorization": "Bearer " + "t" * 43, "Host": "127.0.0.1"})


def test_the_description_is_complete() -> None:
    assert OPENAPI not in DOCUMENT["paths"]
    assert sum(len(methods) for methods in DOCUMENT["paths"].values()) > 35
