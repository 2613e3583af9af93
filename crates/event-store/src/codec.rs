//! The stored form of commits: headers, envelope, and the conversion of earlier versions of events.

pub mod actor;
pub mod envelope;
pub mod headers;
pub mod upcast;
