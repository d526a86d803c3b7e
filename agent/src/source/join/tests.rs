//! Lines that belong together, and lines that only look like it.
