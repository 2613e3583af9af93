//! The aggregate of a store, from which users order.

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};

use crate::{
    ids::StoreId,
    named_events::named_events,
    values::{Category, StoreName, ZipCode},
};

#[cfg(test)]
mod tests;

/// A command to a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreCommand {
    /// Adds a store to the catalogue, open for orders.
    RegisterStore {
        /// The id of the store.
        store_id: StoreId,
        /// The name of the store.
        name: StoreName,
        /// Postal code.
        zip_code: ZipCode,
        /// The goods that it sells.
        category: Option<Category>,
    },
    /// Changes the given details and keeps the others.
    ChangeStore {
        /// The name of the store.
        name: Option<StoreName>,
        /// Postal code.
        zip_code: Option<ZipCode>,
        /// The goods that it sells.
        category: Option<Category>,
    },
    /// Opens the store for orders: rooms can be opened for it.
    OpenStore,
    /// Closes the store for orders: no new room can be opened for it.
    CloseStore,
    /// Retires the store permanently: no new room can be opened for it.
    RetireStore,
}

named_events! {
    /// An event of a store. The serde names of variants and fields are stored; never rename.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(tag = "type", content = "data", rename_all = "snake_case")]
    StoreEvent {
        /// A store was added to the catalogue, open for orders.
        StoreRegistered = "store_registered" {
            /// The id of the store.
            store_id: StoreId,
            /// The name of the store.
            name: String,
            /// Postal code.
            zip_code: String,
            /// The goods that it sells.
            category: Option<String>,
        }
        /// Some details of a store were changed. Absent ones stay.
        StoreChanged = "store_changed" {
            /// The name of the store.
            name: Option<String>,
            /// Postal code.
            zip_code: Option<String>,
            /// The goods that it sells.
            category: Option<String>,
        }
        /// The store was opened for orders.
        StoreOpened = "store_opened" {}
        /// The store was closed for orders.
        StoreClosed = "store_closed" {}
        /// The store was retired permanently. Rooms that are open for it stay open.
        StoreRetired = "store_retired" {}
    }
}

impl DomainEvent for StoreEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

/// A refusal. Its text is safe to show to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreRefusal {
    /// The id is taken.
    #[error("a store with this id already exists")]
    StoreExists,
    /// No such store.
    #[error("there is no such store")]
    StoreNotFound,
    /// The store was retired permanently.
    #[error("the store was retired")]
    StoreRetired,
}

/// The state of a store: only what the decisions need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Store {
    registered: bool,
    open: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    retired: bool,
}

impl Store {
    /// True if the store is in the catalogue.
    pub fn is_registered(&self) -> bool {
        self.registered
    }

    /// True if the store takes orders.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// True if the store was retired permanently.
    pub fn is_retired(&self) -> bool {
        self.retired
    }

    /// Decides which events a command causes. Returns none if the requested state already holds.
    pub fn decide(&self, command: StoreCommand) -> Result<Vec<StoreEvent>, StoreRefusal> {
        match command {
            StoreCommand::RegisterStore { .. } if self.registered => Err(StoreRefusal::StoreExists),
            StoreCommand::RegisterStore { store_id, name, zip_code, category } => {
                Ok(vec![StoreEvent::StoreRegistered {
                    store_id,
                    name: name.into(),
                    zip_code: zip_code.into(),
                    category: category.map(String::from),
                }])
            }
            StoreCommand::ChangeStore { .. }
            | StoreCommand::OpenStore
            | StoreCommand::CloseStore
            | StoreCommand::RetireStore
                if !self.registered =>
            {
                Err(StoreRefusal::StoreNotFound)
            }
            StoreCommand::RetireStore if self.retired => Ok(vec![]),
            StoreCommand::RetireStore => Ok(vec![StoreEvent::StoreRetired {}]),
            StoreCommand::ChangeStore { .. } | StoreCommand::OpenStore | StoreCommand::CloseStore if self.retired => {
                Err(StoreRefusal::StoreRetired)
            }
            StoreCommand::ChangeStore { name: None, zip_code: None, category: None } => Ok(vec![]),
            StoreCommand::ChangeStore { name, zip_code, category } => Ok(vec![StoreEvent::StoreChanged {
                name: name.map(String::from),
                zip_code: zip_code.map(String::from),
                category: category.map(String::from),
            }]),
            StoreCommand::OpenStore if self.open => Ok(vec![]),
            StoreCommand::OpenStore => Ok(vec![StoreEvent::StoreOpened {}]),
            StoreCommand::CloseStore if !self.open => Ok(vec![]),
            StoreCommand::CloseStore => Ok(vec![StoreEvent::StoreClosed {}]),
        }
    }
}

impl Aggregate for Store {
    const TYPE: &'static str = "store";
    type Command = StoreCommand;
    type Event = StoreEvent;
    type Error = StoreRefusal;
    type Services = ();

    async fn handle(&mut self, command: StoreCommand, (): &(), sink: &EventSink<Self>) -> Result<(), StoreRefusal> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: StoreEvent) {
        match event {
            StoreEvent::StoreRegistered { .. } => {
                self.registered = true;
                self.open = true;
            }
            StoreEvent::StoreChanged { .. } => {}
            StoreEvent::StoreOpened {} => self.open = true,
            StoreEvent::StoreClosed {} => self.open = false,
            StoreEvent::StoreRetired {} => {
                self.open = false;
                self.retired = true;
            }
        }
    }
}
