//! What several tests of this folder need.

pub(super) mod scripted;
