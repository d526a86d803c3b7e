//! What is recognised as what, by its content.
