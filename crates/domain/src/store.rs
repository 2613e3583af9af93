//! The aggregate of a store: where people order.

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};

use crate::{
    ids::StoreId,
    values::{Category, StoreName, ZipCode},
};

#[cfg(test)]
mod tests;

/// A command to a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreCommand {
    /// Takes a store into the catalogue, open for orders.
    RegisterStore {
        /// Its id.
        store_id: StoreId,
        /// What it is called.
        name: StoreName,
        /// Postal code.
        zip_code: ZipCode,
        /// What it sells.
        category: Option<Category>,
    },
    /// Changes what is given, keeps the rest.
    ChangeStore {
        /// What it is called.
        name: Option<StoreName>,
        /// Postal code.
        zip_code: Option<ZipCode>,
        /// What it sells.
        category: Option<Category>,
    },
    /// Lets rooms be opened for it.
    OpenStore,
    /// Lets no new room be opened for it.
    CloseStore,
}

/// An event of a store. The serde names of variants and fields are stored; never rename.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum StoreEvent {
    /// The catalogue has a store more, open for orders.
    StoreRegistered {
        /// Its id.
        store_id: StoreId,
        /// What it is called.
        name: String,
        /// Postal code.
        zip_code: String,
        /// What it sells.
        category: Option<String>,
    },
    /// Some of its details are different now; absent ones stay.
    StoreChanged {
        /// What it is called.
        name: Option<String>,
        /// Postal code.
        zip_code: Option<String>,
        /// What it sells.
        category: Option<String>,
    },
    /// It takes orders.
    StoreOpened {},
    /// It takes no orders.
    StoreClosed {},
}

impl StoreEvent {
    /// Every stored name; never rename.
    pub const TYPES: [&'static str; 4] = ["store_registered", "store_changed", "store_opened", "store_closed"];

    /// The stored name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::StoreRegistered { .. } => "store_registered",
            Self::StoreChanged { .. } => "store_changed",
            Self::StoreOpened {} => "store_opened",
            Self::StoreClosed {} => "store_closed",
        }
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

/// A refusal; its text is safe to show to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreRefusal {
    /// The id is taken.
    #[error("a store with this id exists already")]
    StoreExists,
    /// No such store.
    #[error("there is no such store")]
    StoreNotFound,
}

/// A store: what the next decision needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Store {
    registered: bool,
    open: bool,
}

impl Store {
    /// Whether the catalogue has it.
    pub fn is_registered(&self) -> bool {
        self.registered
    }

    /// Whether it takes orders.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Decides what a command makes happen; nothing happens where the wish is fulfilled already.
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
            StoreCommand::ChangeStore { .. } | StoreCommand::OpenStore | StoreCommand::CloseStore
                if !self.registered =>
            {
                Err(StoreRefusal::StoreNotFound)
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
        }
    }
}
