//! All stored events, read from the sources and compared with the samples of their stored formats.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::{
    json::{Json, named},
    readers::{OUTSIDE_FEED, Reader},
    source::{Definition, Field, Kind, Source, Text, Variant},
};

/// The folder of samples: one file for each version of each event. A test of `event-store` compares them with the code.
pub(super) const SAMPLES: &str = "crates/event-store/fixtures";

/// The files with the types of fields.
const TYPES: [&str; 8] = [
    "crates/domain/src/ids.rs",
    "crates/domain/src/values.rs",
    "crates/domain/src/values/devices.rs",
    "crates/domain/src/user.rs",
    "crates/domain/src/delivery_box/event.rs",
    "crates/domain/src/filters.rs",
    "crates/domain/src/report.rs",
    "crates/domain/src/report/kinds.rs",
];

const ENVELOPE: &str = "crates/event-store/src/codec/envelope.rs";
const ENCRYPTED: &str = "crates/sealing/src/cipher/fields.rs";
const FEED: &str = "crates/read-model/src/feed.rs";

/// The entry of the encrypted fields that stands for the state in a commit.
const STATE: &str = "state";

/// An enum of events.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) title: &'static str,
    file: &'static str,
    events: &'static str,
    /// The commands of `boxroomctl` that show the events to operators.
    pub(super) operators: &'static [&'static str],
}

const AUDIT: &str = "audit";
const LOG_SHOW: &str = "log show";

const GROUPS: [Group; 9] = [
    Group {
        title: "Box",
        file: "crates/domain/src/delivery_box/event.rs",
        events: "OwnEvent",
        operators: &[AUDIT, LOG_SHOW],
    },
    Group {
        title: "Room",
        file: "crates/domain/src/delivery_box/event.rs",
        events: "RoomEvent",
        operators: &[AUDIT, LOG_SHOW],
    },
    Group {
        title: "Conversation",
        file: "crates/domain/src/delivery_box/event.rs",
        events: "TalkEvent",
        operators: &[AUDIT, LOG_SHOW],
    },
    Group { title: "User", file: "crates/domain/src/user.rs", events: "UserEvent", operators: &[AUDIT, LOG_SHOW] },
    Group {
        title: "Claim",
        file: "crates/event-store/src/executor/unique_names.rs",
        events: "ClaimEvent",
        operators: &[],
    },
    Group { title: "Store", file: "crates/domain/src/store.rs", events: "StoreEvent", operators: &[AUDIT, LOG_SHOW] },
    Group { title: "Filter", file: "crates/domain/src/filters.rs", events: "FilterEvent", operators: &[AUDIT] },
    Group { title: "Report", file: "crates/domain/src/report.rs", events: "ReportEvent", operators: &[AUDIT] },
    Group {
        title: "Read marker",
        file: "crates/event-store/src/marks/event.rs",
        events: "MarkEvent",
        operators: &[AUDIT],
    },
];

/// All events, and the parts of a commit around them.
#[derive(Debug)]
pub(super) struct Catalogue {
    pub(super) sections: Vec<(Group, Vec<Event>)>,
    /// The named types of fields.
    pub(super) types: Vec<Definition>,
    pub(super) headers: Vec<Text>,
    /// The encrypted fields of states.
    pub(super) encrypted_state: Vec<String>,
}

/// An event.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) doc: String,
    pub(super) version: u32,
    /// Earlier versions that are still read.
    pub(super) earlier: Vec<u32>,
    pub(super) readers: Vec<Reader>,
    pub(super) fields: Vec<EventField>,
}

/// A field of an event.
#[derive(Debug)]
pub(super) struct EventField {
    pub(super) field: Field,
    pub(super) encrypted: bool,
    /// True if the feed of the room has the event without the field.
    pub(super) not_in_feed: bool,
}

/// The samples of an event by version.
type Samples = BTreeMap<u32, Value>;

impl Catalogue {
    /// Reads the sources, and fails if a part of the catalogue does not fit the others.
    pub(super) fn read(repository: &Path) -> anyhow::Result<Self> {
        let source = |file: &str| Source::read(&repository.join(file));
        let definitions = |file: &str| source(file)?.definitions().with_context(|| format!("cannot read {file}"));
        let mut types = Vec::new();
        for file in TYPES {
            types.extend(definitions(file)?);
        }
        let feed = definitions(FEED)?.into_iter().flat_map(|definition| definition.variants).collect();
        let encrypted = source(ENCRYPTED)?.pairs("PERSONAL");
        let mut inputs = Inputs { samples: samples(&repository.join(SAMPLES))?, feed, encrypted, types };
        let mut sections = Vec::new();
        for group in GROUPS {
            let found = definitions(group.file)?;
            let events =
                found.iter().find(|definition| definition.name == group.events && !definition.variants.is_empty());
            let events = events.with_context(|| format!("{} has no events {}", group.file, group.events))?;
            let common = common_fields(&found, events.level.as_deref());
            let events = events.variants.iter().map(|event| inputs.event(event, &common));
            sections.push((group, events.collect::<anyhow::Result<_>>()?));
        }
        inputs.check_all_used(&sections)?;
        let used = inputs.used_types(&sections);
        inputs.types.retain(|definition| used.contains(&definition.name));
        let state = inputs.encrypted.into_iter().filter(|(of, _)| of == STATE).map(|(_, field)| field);
        let headers = source(ENVELOPE)?.texts("header");
        ensure!(!headers.is_empty(), "{ENVELOPE} has no names of headers");
        Ok(Self { sections, types: inputs.types, headers, encrypted_state: state.collect() })
    }
}

/// Returns the fields that all events of a level of a box have: those of the enclosing enum beside the event itself.
fn common_fields(found: &[Definition], level: Option<&str>) -> Vec<Field> {
    let variants =
        found.iter().filter(|definition| definition.level.is_none()).flat_map(|definition| &definition.variants);
    let enclosing = variants.filter(|variant| Some(variant.name.as_str()) == level);
    enclosing.flat_map(|variant| &variant.fields).filter(|field| field.name != "event").cloned().collect()
}

/// Returns the samples of each event.
fn samples(folder: &Path) -> anyhow::Result<BTreeMap<String, Samples>> {
    let mut found: BTreeMap<String, Samples> = BTreeMap::new();
    for file in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = file?.path();
        let unreadable = || format!("cannot read {}", path.display());
        let sample = std::fs::read(&path).with_context(unreadable)?;
        let sample: Value = serde_json::from_slice(&sample).with_context(unreadable)?;
        let (Some(name), Some(version)) = (sample["type"].as_str(), sample["version"].as_u64()) else {
            bail!("{} is not a stored event", path.display());
        };
        found.entry(name.to_owned()).or_default().insert(u32::try_from(version)?, sample["data"].clone());
    }
    Ok(found)
}

/// The parts that describe an event besides its definition.
struct Inputs {
    samples: BTreeMap<String, Samples>,
    feed: Vec<Variant>,
    encrypted: Vec<(String, String)>,
    types: Vec<Definition>,
}

impl Inputs {
    fn event(&self, variant: &Variant, common: &[Field]) -> anyhow::Result<Event> {
        let name = &variant.stored;
        let samples = self.samples.get(name).with_context(|| format!("{SAMPLES} has no sample of {name}"))?;
        let (&version, sample) = samples.last_key_value().context("no sample")?;
        let fields: Vec<Field> = common.iter().chain(&variant.fields).cloned().collect();
        self.check_sample(name, sample, &fields)?;
        let (_, readers) = OUTSIDE_FEED.iter().find(|(event, _)| event == name).with_context(|| {
            format!("who may read {name} outside the feed of a room? Add it to xtask/src/events/readers.rs")
        })?;
        let in_feed = self.feed.iter().find(|event| event.stored == *name);
        let readers = in_feed.map(|_| Reader::Members).into_iter().chain(readers.iter().copied()).collect();
        // The feed belongs to the room.
        let is_shown = |field: &str| {
            field == "room_id" || in_feed.is_none_or(|event| event.fields.iter().any(|shown| shown.name == field))
        };
        let fields = fields.into_iter().map(|field| EventField {
            encrypted: self.encrypted.contains(&(name.clone(), field.name.clone())),
            not_in_feed: !is_shown(&field.name),
            field,
        });
        let earlier = samples.keys().copied().filter(|earlier| *earlier < version).collect();
        let doc = variant.doc.clone();
        let event = Event { name: name.clone(), doc, version, earlier, readers, fields: fields.collect() };
        ensure!(!event.doc.is_empty(), "{name} has no doc comment");
        for EventField { field, .. } in &event.fields {
            ensure!(!field.doc.is_empty(), "{} of {name} has no doc comment", field.name);
        }
        Ok(event)
    }

    /// Compares the fields of an event with its sample.
    fn check_sample(&self, name: &str, sample: &Value, fields: &[Field]) -> anyhow::Result<()> {
        let sample = sample.as_object().with_context(|| format!("the data of {name} is not an object"))?;
        let known: BTreeSet<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        let stored: BTreeSet<&str> = sample.keys().map(String::as_str).collect();
        ensure!(known == stored, "{name} has the fields {known:?}, but its sample has {stored:?}");
        for field in fields {
            let json = Json::of(&field.kind, &self.types)?;
            let fits = match &sample[&field.name] {
                Value::Null => field.optional,
                value => json.fits(value),
            };
            ensure!(
                fits,
                "the JSON type of {} of {name} is {json}, but its sample is {}",
                field.name,
                sample[&field.name]
            );
        }
        Ok(())
    }

    /// Fails if a sample, a reader, an encrypted field or an event of the feed belongs to no event.
    fn check_all_used(&self, sections: &[(Group, Vec<Event>)]) -> anyhow::Result<()> {
        let events: Vec<&Event> = sections.iter().flat_map(|(_, events)| events).collect();
        let is_event = |name: &str| events.iter().any(|event| event.name == name);
        for name in self.samples.keys() {
            ensure!(is_event(name), "{SAMPLES} has samples of {name}: add its enum to xtask/src/events/catalogue.rs");
        }
        for (name, _) in OUTSIDE_FEED {
            ensure!(is_event(name), "xtask/src/events/readers.rs has {name}, which is no event");
        }
        for event in &self.feed {
            ensure!(is_event(&event.stored), "{FEED} has {}, which is no event", event.stored);
        }
        ensure!(!self.encrypted.is_empty(), "{ENCRYPTED} has no list of encrypted fields");
        for (name, field) in self.encrypted.iter().filter(|(of, _)| of != STATE) {
            let event = events.iter().find(|event| event.name == *name);
            let has_field = event.is_some_and(|event| event.fields.iter().any(|known| known.field.name == *field));
            ensure!(has_field, "{ENCRYPTED} has {field} of {name}, which is no field");
        }
        Ok(())
    }

    /// Returns the names of all types of fields, also of those within other types.
    fn used_types(&self, sections: &[(Group, Vec<Event>)]) -> BTreeSet<String> {
        let fields = sections.iter().flat_map(|(_, events)| events).flat_map(|event| &event.fields);
        let mut pending: Vec<&Kind> = fields.map(|field| &field.field.kind).collect();
        let mut used = BTreeSet::new();
        while let Some(kind) = pending.pop() {
            used.insert(kind.name.clone());
            pending.extend(&kind.parts);
            pending.extend(named(kind, &self.types).and_then(|definition| definition.alias.as_ref()));
        }
        used
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(name: &str, kind: &str) -> Field {
        let kind = Kind { name: kind.to_owned(), parts: Vec::new() };
        Field { name: name.to_owned(), doc: "A field.".to_owned(), kind, optional: false }
    }

    fn variant(stored: &str, fields: &[Field]) -> Variant {
        let doc = "An event.".to_owned();
        Variant { name: "Event".to_owned(), stored: stored.to_owned(), doc, fields: fields.to_vec() }
    }

    fn inputs(event: &str, sample: Value, feed: &[Variant]) -> Inputs {
        let feed = feed.iter().map(|event| variant(&event.stored, &event.fields)).collect();
        let encrypted = vec![(event.to_owned(), "title".to_owned())];
        Inputs { samples: [(event.to_owned(), [(1, sample)].into())].into(), feed, encrypted, types: Vec::new() }
    }

    #[test]
    fn the_feed_and_the_encrypted_fields_mark_an_event() {
        let feed = [variant("room_opened", &[field("title", "String")])];
        let inputs = inputs("room_opened", json!({ "room_id": "b1.1", "title": "Lunch", "password_hash": "x" }), &feed);
        let own = [field("title", "String"), field("password_hash", "String")];
        let event = inputs.event(&variant("room_opened", &own), &[field("room_id", "String")]).unwrap();
        assert_eq!(event.readers, [Reader::Members, Reader::AllUsers]);
        let marks: Vec<_> = event.fields.iter().map(|field| (field.encrypted, field.not_in_feed)).collect();
        assert_eq!(marks, [(false, false), (true, false), (false, true)]);
    }

    #[test]
    fn an_event_needs_a_sample_that_fits_and_readers() {
        let error = |event: &str, kind: &str| {
            let inputs = inputs("room_opened", json!({ "title": "Lunch" }), &[]);
            inputs.event(&variant(event, &[field("title", kind)]), &[]).map(|_| ()).unwrap_err().to_string()
        };
        assert!(error("room_painted", "String").contains("no sample of room_painted"));
        assert!(
            error("room_opened", "u32").contains("title of room_opened is integer"),
            "{}",
            error("room_opened", "u32")
        );
        assert!(error("room_opened", "Colour").contains("the JSON type of Colour is unknown"));
        let inputs = inputs("room_painted", json!({ "title": "Lunch" }), &[]);
        let painted = inputs.event(&variant("room_painted", &[field("title", "String")]), &[]).unwrap_err();
        assert!(painted.to_string().contains("readers.rs"), "{painted}");
        let other = inputs.event(&variant("room_painted", &[field("colour", "String")]), &[]).unwrap_err();
        assert!(other.to_string().contains("its sample has"), "{other}");
    }

    #[test]
    fn every_sample_belongs_to_an_event() {
        let inputs = inputs("room_painted", json!({}), &[]);
        let error = inputs.check_all_used(&[]).unwrap_err().to_string();
        assert!(error.contains("room_painted") && error.contains("catalogue.rs"), "{error}");
    }
}
