//! Push messages, and the guarded HTTP client that sends them.

pub mod outbound;
