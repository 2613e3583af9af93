//! The types and constants in a source file, with their doc comments.

use std::path::Path;

use anyhow::Context;
use proc_macro2::TokenStream;
use syn::{
    Attribute, Expr, Fields, File, GenericArgument, Ident, Item, Lit, LitStr, PathArguments, Token, Type, braced,
    parenthesized,
    parse::{Parse, ParseStream, Parser},
    token,
};

/// A type: an enum of events or values, or another one.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) name: String,
    pub(super) doc: String,
    /// The variant of the enclosing enum that holds the events, for a level of a box's events.
    pub(super) level: Option<String>,
    /// The variants of an enum.
    pub(super) variants: Vec<Variant>,
    /// The other type, for an alias.
    pub(super) alias: Option<Kind>,
}

/// A variant of an enum: an event with its fields, or a value.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) name: String,
    /// The name in JSON.
    pub(super) stored: String,
    pub(super) doc: String,
    pub(super) fields: Vec<Field>,
}

/// A field of a variant.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) doc: String,
    pub(super) kind: Kind,
    pub(super) optional: bool,
}

/// The type of a field.
#[derive(Debug, Clone)]
pub(super) struct Kind {
    /// The name. Empty for a tuple.
    pub(super) name: String,
    /// The types in angle brackets, or in a tuple.
    pub(super) parts: Vec<Kind>,
}

/// A constant text.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) doc: String,
    pub(super) value: String,
}

/// A source file.
pub(super) struct Source(File);

impl Source {
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        syn::parse_file(&text).map(Self).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Returns the types, also those that a macro defines from a table.
    pub(super) fn definitions(&self) -> syn::Result<Vec<Definition>> {
        let mut found = Vec::new();
        for item in &self.0.items {
            match item {
                Item::Enum(item) => {
                    let variants = item.variants.iter().map(|variant| {
                        let fields = fields(&variant.fields)?;
                        let stored = snake_case(&variant.ident.to_string());
                        Ok(Variant { name: variant.ident.to_string(), stored, doc: doc(&variant.attrs), fields })
                    });
                    let variants = variants.collect::<syn::Result<_>>()?;
                    found.push(Definition { variants, ..definition(&item.ident, &item.attrs) });
                }
                Item::Struct(item) => found.push(definition(&item.ident, &item.attrs)),
                Item::Type(item) => {
                    found.push(Definition { alias: Some(kind(&item.ty)?), ..definition(&item.ident, &item.attrs) });
                }
                Item::Macro(item) => {
                    let name = item.mac.path.segments.last().map(|segment| segment.ident.to_string());
                    let tokens = item.mac.tokens.clone();
                    match name.as_deref() {
                        Some("events" | "named_events") => found.extend(tables.parse2(tokens)?),
                        Some("name_id" | "sequence_id") => found.push(id.parse2(tokens)?),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// Returns the constant texts of a module of the file.
    pub(super) fn texts(&self, module: &str) -> Vec<Text> {
        let items = self.0.items.iter().find_map(|item| match item {
            Item::Mod(item) if item.ident == module => item.content.as_ref().map(|(_, items)| items),
            _ => None,
        });
        let text = |item: &Item| match item {
            Item::Const(item) => Some(Text { doc: doc(&item.attrs), value: literal(&item.expr)? }),
            _ => None,
        };
        items.into_iter().flatten().filter_map(text).collect()
    }

    /// Returns the rows of a constant list of pairs of texts.
    pub(super) fn pairs(&self, constant: &str) -> Vec<(String, String)> {
        let list = self.0.items.iter().find_map(|item| match item {
            Item::Const(item) if item.ident == constant => match item.expr.as_ref() {
                Expr::Array(list) => Some(list),
                _ => None,
            },
            _ => None,
        });
        let pair = |row: &Expr| match row {
            Expr::Tuple(row) => Some((literal(row.elems.first()?)?, literal(row.elems.last()?)?)),
            _ => None,
        };
        list.into_iter().flat_map(|list| &list.elems).filter_map(pair).collect()
    }
}

fn definition(name: &Ident, attributes: &[Attribute]) -> Definition {
    Definition { name: name.to_string(), doc: doc(attributes), level: None, variants: Vec::new(), alias: None }
}

/// Reads the tables of a macro: `Event { variants }`, or `Level(Event) { variants }` for each level.
fn tables(input: ParseStream<'_>) -> syn::Result<Vec<Definition>> {
    let mut found = Vec::new();
    while !input.is_empty() {
        let attributes = input.call(Attribute::parse_outer)?;
        let mut name: Ident = input.parse()?;
        let mut level = None;
        if input.peek(token::Paren) {
            let inner;
            parenthesized!(inner in input);
            level = Some(std::mem::replace(&mut name, inner.parse()?).to_string());
        }
        let body;
        braced!(body in input);
        let mut variants = Vec::new();
        while !body.is_empty() {
            variants.push(body.parse()?);
        }
        found.push(Definition { level, variants, ..definition(&name, &attributes) });
    }
    Ok(found)
}

/// Reads the type of an id. Further arguments of the macro are skipped.
fn id(input: ParseStream<'_>) -> syn::Result<Definition> {
    let attributes = input.call(Attribute::parse_outer)?;
    let name: Ident = input.parse()?;
    input.parse::<TokenStream>()?;
    Ok(definition(&name, &attributes))
}

impl Parse for Variant {
    /// Reads one event of a table: `Name = "stored" { fields }`.
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let name: Ident = input.parse()?;
        input.parse::<Token![=]>()?;
        let stored: LitStr = input.parse()?;
        let fields = fields(&Fields::Named(input.parse()?))?;
        Ok(Self { name: name.to_string(), stored: stored.value(), doc: doc(&attributes), fields })
    }
}

fn fields(fields: &Fields) -> syn::Result<Vec<Field>> {
    let named = fields.iter().filter_map(|field| Some((field.ident.as_ref()?, field)));
    let field = named.map(|(name, field)| {
        let kind = kind(&field.ty)?;
        let (kind, optional) = match kind {
            Kind { name, mut parts } if name == "Option" && parts.len() == 1 => (parts.remove(0), true),
            kind => (kind, false),
        };
        Ok(Field { name: name.to_string(), doc: doc(&field.attrs), kind, optional })
    });
    field.collect()
}

fn kind(of: &Type) -> syn::Result<Kind> {
    match of {
        Type::Tuple(tuple) => {
            let parts = tuple.elems.iter().map(kind).collect::<syn::Result<_>>()?;
            Ok(Kind { name: String::new(), parts })
        }
        Type::Path(path) => {
            let last = path.path.segments.last();
            let last = last.ok_or_else(|| syn::Error::new_spanned(path, "a type without a name"))?;
            let arguments = match &last.arguments {
                PathArguments::AngleBracketed(arguments) => arguments.args.iter().collect(),
                PathArguments::None | PathArguments::Parenthesized(_) => Vec::new(),
            };
            let parts = arguments.into_iter().filter_map(|argument| match argument {
                GenericArgument::Type(part) => Some(kind(part)),
                _ => None,
            });
            Ok(Kind { name: last.ident.to_string(), parts: parts.collect::<syn::Result<_>>()? })
        }
        other => Err(syn::Error::new_spanned(other, "no type of a field of an event")),
    }
}

/// Joins the lines of a doc comment.
fn doc(attributes: &[Attribute]) -> String {
    let line = |attribute: &Attribute| {
        let value = attribute.meta.require_name_value().ok().filter(|value| value.path.is_ident("doc"))?;
        literal(&value.value).map(|line| line.trim().to_owned())
    };
    attributes.iter().filter_map(line).collect::<Vec<_>>().join(" ")
}

fn literal(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

/// Returns a name as serde writes it with `rename_all = "snake_case"`.
fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definitions(text: &str) -> Vec<Definition> {
        Source(syn::parse_file(text).unwrap()).definitions().unwrap()
    }

    #[test]
    fn tables_of_macros_define_events() {
        let found = definitions(
            r#"events! {
                /// An event of a room.
                Room(RoomEvent) {
                    /// The room was opened.
                    /// It has a host.
                    Opened = "room_opened" {
                        /// The title.
                        title: Option<String>,
                    }
                    Closed = "room_closed" {}
                }
            }"#,
        );
        let [Definition { name, level, variants, .. }] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((name.as_str(), level.as_deref()), ("RoomEvent", Some("Room")));
        let [opened, closed] = variants.as_slice() else { panic!("{variants:?}") };
        assert_eq!(
            (opened.stored.as_str(), opened.doc.as_str()),
            ("room_opened", "The room was opened. It has a host.")
        );
        let [Field { name, doc, kind, optional: true }] = opened.fields.as_slice() else { panic!("{opened:?}") };
        assert_eq!((name.as_str(), doc.as_str(), kind.name.as_str()), ("title", "The title.", "String"));
        assert!(closed.fields.is_empty());
    }

    #[test]
    fn types_have_their_docs_and_values() {
        let found = definitions(
            "id! { Skipped } name_id! { /// The id of a box.\n BoxId }
            /// A step.\n enum Step { /// The first.\n NotYet }
            type Preferences = BTreeMap<Kind, bool>;",
        );
        let [id, step, preferences] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((id.name.as_str(), id.doc.as_str()), ("BoxId", "The id of a box."));
        assert_eq!((step.doc.as_str(), step.variants[0].stored.as_str()), ("A step.", "not_yet"));
        let alias = preferences.alias.as_ref().map(|alias| (alias.name.as_str(), alias.parts.len()));
        assert_eq!(alias, Some(("BTreeMap", 2)));
    }

    #[test]
    fn constants_are_read_as_texts() {
        let source = r#"mod header { /// The id.
            pub const ID: &str = "Id"; }
            const FIELDS: [(&str, &str); 1] = [("opened", "title")];"#;
        let source = Source(syn::parse_file(source).unwrap());
        let texts: Vec<_> = source.texts("header").into_iter().map(|text| (text.value, text.doc)).collect();
        assert_eq!(texts, [("Id".to_owned(), "The id.".to_owned())]);
        assert_eq!(source.pairs("FIELDS"), [("opened".to_owned(), "title".to_owned())]);
    }
}
