//! Text logs of every transport, by example.
