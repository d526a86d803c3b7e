//! Benchmarks of podwhy beside rivals, in one run.
