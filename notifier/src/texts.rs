//! The texts of push messages, one file for each language.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, ensure};
use serde::Deserialize;

/// The languages that are built in. The first one is used for all others.
const BUILT_IN: [(&str, &str); 2] =
    [("en", include_str!("../texts/en.json")), ("ko", include_str!("../texts/ko.json"))];

/// The templates that a language must have beside those of the kinds of alarms.
const REQUIRED: [&str; 4] = ["hidden", "hidden_many", "many", "message"];

/// The texts of all languages, by language.
#[derive(Debug)]
pub(crate) struct Texts(BTreeMap<String, Language>);

/// The texts of one language.
#[derive(Debug, Deserialize)]
struct Language {
    /// The word for a user without a name.
    somebody: String,
    /// The words for a room without a title.
    a_room: String,
    #[serde(flatten)]
    templates: BTreeMap<String, Template>,
}

/// A title and a body with the variables `{room}`, `{by}`, `{text}` and `{count}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    title: String,
    body: String,
}

/// The values of the variables. An absent room or user has no name any more.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Variables<'a> {
    pub(crate) room: Option<&'a str>,
    pub(crate) by: Option<&'a str>,
    pub(crate) text: &'a str,
    pub(crate) count: i32,
}

impl Texts {
    /// Reads the built-in texts, and the files `<language>.json` of a folder, which replace them.
    pub(crate) fn read(folder: Option<&Path>) -> anyhow::Result<Self> {
        let mut texts = BTreeMap::new();
        for (language, content) in BUILT_IN {
            texts.insert(language.to_owned(), Language::parse(content).context(language)?);
        }
        let entries = folder.map(std::fs::read_dir).transpose();
        let folder_name = || folder.map_or_else(String::new, |folder| folder.display().to_string());
        for entry in entries.with_context(|| format!("cannot read {}", folder_name()))?.into_iter().flatten() {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let language = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
                let parsed = std::fs::read_to_string(&path).map_err(anyhow::Error::from);
                let parsed = parsed.and_then(|content| Language::parse(&content));
                texts.insert(language, parsed.with_context(|| path.display().to_string())?);
            }
        }
        Ok(Self(texts))
    }

    /// Returns title and body in the language of a locale, like `ko-KR`. A kind without a template has the one of many
    /// alarms.
    pub(crate) fn compose(&self, locale: &str, name: &str, variables: Variables<'_>) -> (String, String) {
        let language = locale.split(['-', '_']).next().unwrap_or_default().to_lowercase();
        let english = || self.0.get(BUILT_IN[0].0);
        let Some(language) = self.0.get(&language).or_else(english) else { return Default::default() };
        let Some(template) = language.templates.get(name).or_else(|| language.templates.get("many")) else {
            return Default::default();
        };
        (language.fill(&template.title, variables), language.fill(&template.body, variables))
    }
}

impl Language {
    fn parse(content: &str) -> anyhow::Result<Self> {
        let language: Self = serde_json::from_str(content)?;
        for name in REQUIRED {
            ensure!(language.templates.contains_key(name), "the template `{name}` is missing");
        }
        Ok(language)
    }

    /// Replaces variables once: a name that looks like a variable stays as it is.
    fn fill(&self, template: &str, Variables { room, by, text, count }: Variables<'_>) -> String {
        let mut filled = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                filled.push('{');
                rest = after;
                continue;
            };
            match name {
                "room" => filled.push_str(room.unwrap_or(&self.a_room)),
                "by" => filled.push_str(by.unwrap_or(&self.somebody)),
                "text" => filled.push_str(text),
                "count" => filled.push_str(&count.to_string()),
                _ => {}
            }
            rest = after;
        }
        filled + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables<'a>() -> Variables<'a> {
        Variables { room: Some("Pizza {by}"), by: Some("Ana"), text: "hello", count: 3 }
    }

    #[test]
    fn a_text_is_in_the_language_of_the_device_or_in_english() {
        let texts = Texts::read(None).unwrap();
        let body = |locale, name| texts.compose(locale, name, variables()).1;
        assert_eq!(body("ko-KR", "reply"), "Ana님이 답장했습니다");
        assert_eq!(body("en", "reply"), "Ana replied to you");
        assert_eq!(body("fr", "many"), "3 new notifications");
        assert_eq!(body("", "unknown"), "3 new notifications");
        assert_eq!(texts.compose("en", "reply", variables()).0, "Pizza {by}");
        assert_eq!(texts.compose("en", "reply", Variables::default()).1, "Somebody replied to you");
    }

    #[test]
    fn all_languages_have_the_same_templates() {
        let Texts(languages) = Texts::read(None).unwrap();
        let names = |language: &Language| language.templates.keys().cloned().collect::<Vec<_>>();
        let all: Vec<Vec<String>> = languages.values().map(names).collect();
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
    }

    #[test]
    fn an_installation_replaces_texts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("de.json");
        std::fs::write(&path, r#"{"somebody":"Jemand","a_room":"Raum","many":{"title":"","body":"{count} neue"}}"#)
            .unwrap();
        let error = format!("{:#}", Texts::read(Some(folder.path())).unwrap_err());
        assert!(error.contains("de.json: the template `hidden` is missing"), "{error}");
        let english = include_str!("../texts/en.json").replace("replied to you", "hat geantwortet");
        std::fs::write(&path, english).unwrap();
        let texts = Texts::read(Some(folder.path())).unwrap();
        assert_eq!(texts.compose("de-AT", "reply", variables()).1, "Ana hat geantwortet");
    }
}
