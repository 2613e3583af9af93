//! Commands of members to the conversation in their room.

pub(crate) mod delete;
pub(crate) mod edit;
pub(crate) mod post;
pub(crate) mod react;
