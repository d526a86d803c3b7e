//! The outbox against a model, failing storage and damaged files.
