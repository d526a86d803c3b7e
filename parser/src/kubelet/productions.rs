//! What each kubelet production is to us.

use crate::message::{Kind, What};

impl What {
    /// Kinds of the kubelet's productions.
    pub(crate) const fn kind_of_kubelet(self) -> Kind {
        match self {
            Self::ErrorSyncingPod => Kind::SyncFailure,
            _ => Kind::Line,
        }
    }
}
