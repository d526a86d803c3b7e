//! Journal exports and journal JSON, whole and damaged.
