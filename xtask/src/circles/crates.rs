//! The modules of a crate, and the file to which each path leads.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;

use super::source::{Segments, Source};

/// The longest chain of re-exports. A macro can be re-exported under its own name, without end.
const MAX_STEPS: usize = 20;

/// The names that each file takes from each other file, by importing file and imported file.
pub(super) type Arrows = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Returns the content of a file, if it exists.
type Read<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Returns the arrows between the files of the crate with this first file.
pub(super) fn arrows(root: &str, read: &Read<'_>) -> anyhow::Result<Arrows> {
    let (folder, _) = root.rsplit_once('/').context("a crate is in a folder")?;
    let mut modules = Modules::default();
    let content = read(root).unwrap_or_default();
    modules.add(None, root, folder, Source::parse(&content).with_context(|| root.to_owned())?, read)?;
    Ok(modules.arrows())
}

/// The modules of a crate. The first one is its root.
#[derive(Default)]
struct Modules(Vec<Module>);

struct Module {
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    file: String,
    source: Source,
}

impl Modules {
    /// Adds a module with all modules below it, whose files are in the folder. Returns its index.
    fn add(
        &mut self,
        parent: Option<usize>,
        file: &str,
        folder: &str,
        mut source: Source,
        read: &Read<'_>,
    ) -> anyhow::Result<usize> {
        let declared = std::mem::take(&mut source.modules);
        let index = self.0.len();
        self.0.push(Module { parent, children: BTreeMap::new(), file: file.to_owned(), source });
        for (name, inline) in declared {
            let below = format!("{folder}/{name}");
            let own_file = format!("{below}.rs");
            let child = if let Some(source) = inline {
                self.add(Some(index), file, &below, source, read)?
            } else {
                let Some(content) = read(&own_file) else { continue };
                let source = Source::parse(&content).with_context(|| own_file.clone())?;
                self.add(Some(index), &own_file, &below, source, read)?
            };
            self.0[index].children.insert(name, child);
        }
        Ok(index)
    }

    fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for (index, module) in self.0.iter().enumerate() {
            let imports = module.source.imports.iter().filter(|import| {
                let is_used = || import.name.as_ref().is_some_and(|name| module.source.words.contains(name));
                !(import.is_public && self.is_below(index, &import.path)) || is_used()
            });
            let paths = imports.map(|import| &import.path).chain(&module.source.paths);
            for path in paths {
                let Some(target) = self.resolve(index, path, MAX_STEPS) else { continue };
                let target = &self.0[target].file;
                if *target != module.file {
                    let names = arrows.entry(module.file.clone()).or_default().entry(target.clone()).or_default();
                    names.extend(self.name_of(path));
                }
            }
        }
        arrows
    }

    /// The name that a reader searches for: the first one that is not a module's.
    fn name_of(&self, path: &Segments) -> Option<String> {
        let is_module = |name: &&String| self.0.iter().any(|module| module.children.contains_key(*name));
        let is_keyword = |name: &&String| matches!(name.as_str(), "crate" | "self" | "super");
        path.iter().find(|name| !is_module(name) && !is_keyword(name)).or(path.last()).cloned()
    }

    /// Returns true if the path begins with a child of the module.
    fn is_below(&self, module: usize, path: &Segments) -> bool {
        let first = path.iter().find(|segment| *segment != "self");
        first.is_some_and(|first| self.0[module].children.contains_key(first))
    }

    /// Returns the module that defines the path's name. None for a path to another crate.
    fn resolve(&self, from: usize, path: &[String], steps: usize) -> Option<usize> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(self.descend(0, rest, steps)),
            "self" => Some(self.descend(from, rest, steps)),
            "super" => Some(self.descend(self.0[from].parent?, rest, steps)),
            name if self.0[from].children.contains_key(name) => Some(self.descend(from, path, steps)),
            name => self.imported(from, name, rest, steps),
        }
    }

    /// Follows the segments from a module on, to the module that defines the last one.
    fn descend(&self, from: usize, path: &[String], steps: usize) -> usize {
        let Some((name, rest)) = path.split_first() else { return from };
        let module = &self.0[from];
        if name == "super" {
            return self.descend(module.parent.unwrap_or(from), rest, steps);
        }
        if let Some(child) = module.children.get(name) {
            return self.descend(*child, rest, steps);
        }
        if module.source.items.contains(name) {
            return from;
        }
        self.imported(from, name, rest, steps).unwrap_or(from)
    }

    /// Returns the module that defines a name that this module imports.
    fn imported(&self, module: usize, name: &str, rest: &[String], steps: usize) -> Option<usize> {
        let steps = steps.checked_sub(1)?;
        let imports = &self.0[module].source.imports;
        if let Some(import) = imports.iter().find(|import| import.name.as_deref() == Some(name)) {
            let path = [import.path.as_slice(), rest].concat();
            return self.resolve(module, &path, steps);
        }
        let globs = imports.iter().filter(|import| import.name.is_none());
        globs.filter_map(|glob| self.resolve(module, &glob.path, steps)).find_map(|source| {
            let is_known = self.0[source].source.items.contains(name) || self.0[source].children.contains_key(name);
            let path = [&[name.to_owned()], rest].concat();
            if is_known { Some(self.descend(source, &path, steps)) } else { self.imported(source, name, rest, steps) }
        })
    }
}
