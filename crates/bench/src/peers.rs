//! Systems beside which Boxroom is measured.

pub(crate) mod broadcaster;
mod database;
pub(crate) mod ejabberd;
mod folder;
pub(crate) mod postgres_es;
pub(crate) mod socketio;
