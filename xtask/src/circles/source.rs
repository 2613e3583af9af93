//! The imports, paths and definitions in the text of a module, read from its tokens.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::anyhow;
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Keywords before the name of an item.
const ITEMS: [&str; 9] = ["fn", "struct", "enum", "union", "trait", "type", "const", "static", "macro_rules"];

/// A path, like `crate`, `live`, `Live`.
pub(super) type Segments = Vec<String>;

/// The parts of a module that tie it to other modules. Tests are left out.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// The modules that it declares; with their content if it stands in the same file.
    pub(super) modules: BTreeMap<String, Option<Source>>,
    pub(super) imports: Vec<Import>,
    /// Paths of two or more segments outside of imports.
    pub(super) paths: BTreeSet<Segments>,
    /// Items that it defines.
    pub(super) items: BTreeSet<String>,
    /// All names that occur outside of imports.
    pub(super) words: BTreeSet<String>,
}

/// One leaf of a `use` declaration.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) path: Segments,
    /// The name that it has here. None for `*`.
    pub(super) name: Option<String>,
    pub(super) is_public: bool,
}

impl Source {
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let tokens: TokenStream = text.parse().map_err(|error| anyhow!("not Rust: {error}"))?;
        Ok(Self::of(tokens))
    }

    fn of(tokens: TokenStream) -> Self {
        let mut source = Self::default();
        source.read(tokens, true);
        source
    }

    /// Reads the tokens of a module, or of a group within it.
    fn read(&mut self, tokens: TokenStream, is_top: bool) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut rest = tokens.as_slice();
        let mut is_public = false;
        while let Some((token, after)) = rest.split_first() {
            rest = after;
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    if is_test_attribute(after) {
                        rest = after_item(&after[1..]);
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == '.' => {
                    // The name of a field or a method is not a path. A path may follow the dots of a range.
                    let behind = after.strip_prefix_word().filter(|behind| behind.strip_prefix_separator().is_none());
                    rest = behind.unwrap_or(after);
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
                TokenTree::Group(group) => self.read(group.stream(), false),
                TokenTree::Ident(word) => match (word.to_string().as_str(), after) {
                    ("pub", _) => {
                        is_public = true;
                        rest = after_visibility(after);
                        continue;
                    }
                    ("use", [TokenTree::Ident(_) | TokenTree::Group(_), ..]) => {
                        rest = self.read_import(after, is_public);
                    }
                    ("mod", [TokenTree::Ident(name), TokenTree::Group(body), rest_of @ ..]) => {
                        self.modules.insert(name.to_string(), Some(Self::of(body.stream())));
                        rest = rest_of;
                    }
                    ("mod", [TokenTree::Ident(name), rest_of @ ..]) => {
                        self.modules.insert(name.to_string(), None);
                        rest = rest_of;
                    }
                    (keyword, _) if ITEMS.contains(&keyword) => {
                        let after = after.strip_prefix_punct('!').unwrap_or(after);
                        if let [TokenTree::Ident(name), ..] = after
                            && is_top
                        {
                            self.items.insert(name.to_string());
                        }
                    }
                    (word, _) => rest = self.read_path(word.to_owned(), after),
                },
            }
            is_public = false;
        }
    }

    /// Reads a name and the segments after it. Returns the tokens behind it.
    fn read_path<'a>(&mut self, first: String, mut rest: &'a [TokenTree]) -> &'a [TokenTree] {
        self.words.insert(first.clone());
        let mut path = vec![first];
        while let Some(TokenTree::Ident(next)) = rest.strip_prefix_separator().and_then(<[_]>::first) {
            path.push(next.to_string());
            rest = &rest[3..];
        }
        if path.len() > 1 {
            self.paths.insert(path);
        }
        rest
    }

    /// Reads a `use` declaration. Returns the tokens behind it.
    fn read_import<'a>(&mut self, tokens: &'a [TokenTree], is_public: bool) -> &'a [TokenTree] {
        let is_end = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';');
        let end = tokens.iter().position(is_end).unwrap_or(tokens.len());
        self.read_tree(&tokens[..end], &[], is_public);
        &tokens[end..]
    }

    /// Reads one tree of a `use` declaration below a path.
    fn read_tree(&mut self, tokens: &[TokenTree], above: &[String], is_public: bool) {
        let mut path = above.to_vec();
        let mut name = None;
        let mut rest = tokens;
        while let Some((token, after)) = rest.split_first() {
            rest = after;
            match token {
                TokenTree::Ident(word) if word == "as" => {
                    name = after.first().map(ToString::to_string);
                    break;
                }
                // The module above, in a list of its names.
                TokenTree::Ident(word) if word == "self" && !path.is_empty() => {}
                TokenTree::Ident(word) => path.push(word.to_string()),
                TokenTree::Punct(punct) if punct.as_char() == '*' => {
                    self.imports.push(Import { path, name: None, is_public });
                    return;
                }
                TokenTree::Group(group) => {
                    let tokens: Vec<_> = group.stream().into_iter().collect();
                    let is_comma =
                        |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
                    for tree in tokens.split(is_comma).filter(|tree| !tree.is_empty()) {
                        self.read_tree(tree, &path, is_public);
                    }
                    return;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
        let name = name.or_else(|| path.last().cloned());
        self.imports.push(Import { path, name, is_public });
    }
}

/// Prefixes of tokens.
trait Prefix {
    fn strip_prefix_punct(&self, character: char) -> Option<&Self>;
    fn strip_prefix_word(&self) -> Option<&Self>;
    fn strip_prefix_separator(&self) -> Option<&Self>;
}

impl Prefix for [TokenTree] {
    fn strip_prefix_punct(&self, character: char) -> Option<&Self> {
        match self {
            [TokenTree::Punct(punct), rest @ ..] if punct.as_char() == character => Some(rest),
            _ => None,
        }
    }

    fn strip_prefix_word(&self) -> Option<&Self> {
        match self {
            [TokenTree::Ident(_), rest @ ..] => Some(rest),
            _ => None,
        }
    }

    /// `::`
    fn strip_prefix_separator(&self) -> Option<&Self> {
        self.strip_prefix_punct(':')?.strip_prefix_punct(':')
    }
}

fn is_test_attribute(after: &[TokenTree]) -> bool {
    let [TokenTree::Group(attribute), ..] = after else { return false };
    attribute.delimiter() == Delimiter::Bracket && attribute.stream().to_string().replace(' ', "") == "cfg(test)"
}

/// Returns the tokens behind `(crate)` and the like.
fn after_visibility(tokens: &[TokenTree]) -> &[TokenTree] {
    match tokens {
        [TokenTree::Group(group), rest @ ..] if group.delimiter() == Delimiter::Parenthesis => rest,
        _ => tokens,
    }
}

/// Returns the tokens behind one item: behind its body or its semicolon.
fn after_item(tokens: &[TokenTree]) -> &[TokenTree] {
    let is_import = tokens.iter().take(3).any(|token| matches!(token, TokenTree::Ident(word) if word == "use"));
    let is_end = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace && !is_import,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Ident(_) | TokenTree::Literal(_) => false,
    };
    let end = tokens.iter().position(is_end).map_or(tokens.len(), |end| end + 1);
    &tokens[end..]
}
