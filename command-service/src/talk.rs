//! Commands of members on the messages of their room.

pub(crate) mod delete;
pub(crate) mod edit;
mod hold;
pub(crate) mod post;
pub(crate) mod react;
