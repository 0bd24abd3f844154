"""Messages that anybody who may publish could send, by class, each with the end it must have.

Data alone: `tests/unit/test_corpus.py` reads them one by one, and
`tests/integration/test_corpus.py` sends them all through a service and a broker.
"""

from tests.corpus import (
    cloud_events,
    fields,
    letters,
    messages,
    numbers,
    reach,
    selections,
    sizes,
    syntax,
    types,
)
from tests.corpus.case import Case

CASES: tuple[Case, ...] = (
    *syntax.CASES,
    *letters.CASES,
    *numbers.CASES,
    *sizes.CASES,
    *types.CASES,
    *selections.CASES,
    *fields.CASES,
    *messages.CASES,
    *reach.CASES,
    *cloud_events.CASES,
)
