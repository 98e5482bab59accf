"""An application that cannot be loaded, for the test of what is logged then."""

import warnings

warnings.warn("of two\nlines", stacklevel=1)
raise RuntimeError("on purpose,\nin two lines")
