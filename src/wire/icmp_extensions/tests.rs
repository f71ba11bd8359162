//! What RFC and bytes say together.
