"""Settings: one frozen struct for each stage, filled from three sources.

1. The struct's defaults. 2. A TOML recipe. 3. `--set a.b=c` (and flags, which are the same thing), from left to right.
Unknown keys fail and name the nearest one; the resolved settings are dumped as JSON into the run folder.
No ML library is imported from here, now or later.
"""

from mmupt.config.digest import canonical, differences, digest, to_dict
from mmupt.config.loader import load, parse
from mmupt.config.overrides import Override
from mmupt.config.section import Section

__all__ = ["Override", "Section", "canonical", "differences", "digest", "load", "parse", "to_dict"]
