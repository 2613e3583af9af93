//! Reports of results: tables on the terminal, JSON, and a page with plots.

mod html;
mod plot;
mod table;

use serde::Serialize;

use crate::results::Results;

pub(crate) use self::{html::page, table::text};

/// The results of all scenarios, with their conditions.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: String,
    /// The settings that differ from those of an installation.
    pub(crate) settings: &'static str,
    pub(crate) scenarios: Vec<Results>,
}
