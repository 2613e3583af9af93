//! The catalogue of events as a Markdown page.

use std::fmt::{self, Display, Write};

use super::{
    catalogue::{Catalogue, Event, EventField, Group, SAMPLES},
    json::{Json, named},
    readers::Reader,
    source::Definition,
};

/// The longest line outside tables, in characters.
const WIDTH: usize = 120;

const INTRODUCTION: &str = "\
# Events

All events of the log. `cargo xtask events` writes this page from the sources; do not edit it.

A commit is one message of the log: headers, the events of one command (possibly none), and for some aggregates their
state after the events.

- An event is stored as `{\"type\", \"version\", \"data\"}`. `data` has the fields of this page.
- Optional fields are `null` if they are absent.
- A field that is marked *encrypted* is stored as `{\"sealed\", \"of\"}`: ciphertext, and the user whose key decrypts it
  ([decision 10](decisions/0010-personal-data-is-encrypted-in-the-log.md)).
- Actor and time are in the [headers](#headers), not in the events.
- Names never change. [CONTRIBUTING](../CONTRIBUTING.md#new-event-and-command) lists the places of a new event.
";

const READERS: &str = "\
| none | no client |

- Operators use `boxroomctl`. `audit` shows the type, the actor and the target of an event, without texts
  ([Audit trail](operations.md#audit-trail)).
- `log show` shows the fields. Personal text and password hashes are hidden unless `--values` is given
  ([Events of the log](operations.md#events-of-the-log)).
- A user who was kicked or left gets only that event of the feed ([Authorization](authorization.md#live-connections)).
- A field that is marked *not in the feed* is not part of the feed's event.
- No client gets a password hash or the address of a device.
";

impl Catalogue {
    /// Returns the page.
    pub(super) fn page(&self) -> anyhow::Result<String> {
        let mut page = INTRODUCTION.to_owned();
        self.write(&mut page)?;
        Ok(page)
    }

    fn write(&self, page: &mut String) -> anyhow::Result<()> {
        writeln!(
            page,
            "- In the state of a commit, these fields are encrypted: `{}`.",
            self.encrypted_state.join("`, `")
        )?;
        writeln!(page, "\n## Readers\n\n| reader | meaning |\n|---|---|")?;
        for reader in Reader::ALL {
            writeln!(page, "| {} | {} |", reader.word(), reader.meaning())?;
        }
        write!(page, "{READERS}")?;
        writeln!(page, "\n## Overview\n\n| event | section | version | readers | operators |\n|---|---|---|---|---|")?;
        for (group, events) in &self.sections {
            let of = format!("[{}](#{})", group.title, anchor(group.title));
            for Event { name, version, readers, .. } in events {
                let operators = listed(group.operators);
                writeln!(page, "| [`{name}`](#{name}) | {of} | {version} | {} | {operators} |", words(readers))?;
            }
        }
        for (group, events) in &self.sections {
            self.write_section(page, group, events)?;
        }
        self.write_types(page)?;
        writeln!(page, "\n## Headers\n\n| header | content |\n|---|---|")?;
        for header in &self.headers {
            writeln!(page, "| `{}` | {} |", header.value, cell(&header.doc))?;
        }
        Ok(())
    }

    fn write_section(&self, page: &mut String, group: &Group, events: &[Event]) -> anyhow::Result<()> {
        writeln!(page, "\n## {}", group.title)?;
        for event in events {
            let Event { name, doc, version, earlier, readers, fields } = event;
            writeln!(page, "\n### `{name}`\n\n{}\n", wrapped(doc))?;
            writeln!(page, "- Version: [{version}](../{SAMPLES}/{name}.{version}.json)")?;
            for earlier in earlier {
                writeln!(
                    page,
                    "- Earlier version, converted when read: [{earlier}](../{SAMPLES}/{name}.{earlier}.json)"
                )?;
            }
            writeln!(page, "- Readers: {}", words(readers))?;
            writeln!(page, "- Operators: {}", listed(group.operators))?;
            if fields.is_empty() {
                writeln!(page, "- No fields")?;
                continue;
            }
            writeln!(page, "\n| field | JSON type | optional | meaning | notes |\n|---|---|---|---|---|")?;
            for EventField { field, encrypted, not_in_feed } in fields {
                let optional = if field.optional { "yes" } else { "" };
                let notes = [(encrypted, "encrypted"), (not_in_feed, "not in the feed")];
                let notes: Vec<_> = notes.into_iter().filter(|(applies, _)| **applies).map(|(_, note)| note).collect();
                let of = named(&field.kind, &self.types).map(|of| format!(", {}", link(of))).unwrap_or_default();
                let json = format!("{}{of}", Json::of(&field.kind, &self.types)?);
                let row = [&format!("`{}`", field.name), &json, optional, &cell(&field.doc), &notes.join(", ")];
                writeln!(page, "{}", Row(&row))?;
            }
        }
        Ok(())
    }

    fn write_types(&self, page: &mut String) -> anyhow::Result<()> {
        writeln!(page, "\n## Types\n\n| type | JSON type | meaning |\n|---|---|---|")?;
        let (values, others): (Vec<_>, Vec<_>) = self.types.iter().partition(|of| !of.variants.is_empty());
        for of in &others {
            let json = Json::of_named(of, &self.types)?;
            writeln!(page, "| `{}` | {json} | {} |", of.name, cell(&of.doc))?;
        }
        for of in values {
            writeln!(page, "\n### `{}`\n\n{}\n\n| value | meaning |\n|---|---|", of.name, wrapped(&of.doc))?;
            for value in &of.variants {
                writeln!(page, "| `{}` | {} |", value.stored, cell(&value.doc))?;
            }
        }
        Ok(())
    }
}

/// Returns the readers of an event.
fn words(readers: &[Reader]) -> String {
    listed(&readers.iter().map(|reader| reader.word()).collect::<Vec<_>>())
}

fn listed(words: &[&str]) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// One line of a table.
struct Row<'a>(&'a [&'a str]);

impl Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for cell in self.0 {
            write!(f, "| {cell}{}", if cell.is_empty() { "" } else { " " })?;
        }
        f.write_str("|")
    }
}

/// Returns a doc comment as a cell of a table: without the final stop, and with the column mark escaped.
fn cell(doc: &str) -> String {
    doc.strip_suffix('.').unwrap_or(doc).replace('|', "\\|")
}

fn anchor(title: &str) -> String {
    title.to_ascii_lowercase().replace(' ', "-")
}

fn link(of: &Definition) -> String {
    let section = if of.variants.is_empty() { "types".to_owned() } else { anchor(&of.name) };
    format!("[`{}`](#{section})", of.name)
}

/// Breaks a text into lines.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if width > 0 {
            let fits = width + 1 + length <= WIDTH;
            lines.push(if fits { ' ' } else { '\n' });
            width = if fits { width + 1 } else { 0 };
        }
        lines.push_str(word);
        width += length;
    }
    lines
}
