"""`profile-sync` on asyncio's own event loop, which it takes where uvloop is not installed.

python -m tests.benchmarks.on_asyncio run
"""

import sys

sys.modules["uvloop"] = None  # type: ignore[assignment] # to import it now raises ImportError

from service.__main__ import main  # noqa: E402

if __name__ == "__main__":
    main()
