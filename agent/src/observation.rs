//! The owned form of what a line told us. The only place that copies.

/// What one message told us.
#[derive(Clone, Debug)]
pub struct Observation {}
