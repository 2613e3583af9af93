//! Prepares servers for Boxroom.
