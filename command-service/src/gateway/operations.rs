//! Maps command names to methods and paths, from the OpenAPI description of the router.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
};

use axum::http::Method;
use utoipa::openapi::{OpenApi, PathItem, path::Operation};

/// The method and path of each command, by name.
pub(super) struct Operations(HashMap<String, Template>);

/// A method and a path with parameter names in braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) method: Method,
    path: String,
}

/// Returns the names of all commands by method and path.
pub(crate) fn names(api: &OpenApi) -> HashMap<(Method, String), String> {
    Operations::all(api, |_| true)
        .0
        .into_iter()
        .map(|(name, template)| ((template.method, template.path), name))
        .collect()
}

impl Operations {
    /// Returns the commands that are served over NATS.
    pub(super) fn of(api: &OpenApi) -> Self {
        Self::all(api, |operation| !returns_tokens(operation))
    }

    fn all(api: &OpenApi, wanted: fn(&Operation) -> bool) -> Self {
        let operations = api.paths.paths.iter().flat_map(|(path, item)| {
            operations(item).into_iter().filter_map(|(method, operation)| {
                let operation = operation.filter(|operation| wanted(operation))?;
                let name = operation.operation_id.clone()?;
                Some((name, Template { method, path: path.clone() }))
            })
        });
        Self(operations.collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&Template> {
        self.0.get(name)
    }
}

/// Returns true if the answer holds tokens. Boxes share one NATS account and could read each other's answers, so these
/// operations are not served there.
fn returns_tokens(operation: &Operation) -> bool {
    operation.tags.as_ref().is_some_and(|tags| tags.iter().any(|tag| tag == "sessions"))
        || operation.operation_id.as_deref() == Some("create_room_invitation")
}

fn operations(item: &PathItem) -> [(Method, Option<&Operation>); 5] {
    [
        (Method::GET, item.get.as_ref()),
        (Method::POST, item.post.as_ref()),
        (Method::PUT, item.put.as_ref()),
        (Method::PATCH, item.patch.as_ref()),
        (Method::DELETE, item.delete.as_ref()),
    ]
}

impl Template {
    /// Fills in the path parameters. The error is the first parameter without a value.
    pub(super) fn fill(&self, values: &BTreeMap<String, String>) -> Result<String, &str> {
        let mut path = String::new();
        for segment in self.path.split('/').skip(1) {
            path.push('/');
            match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(name) => path.push_str(&percent_encoded(values.get(name).ok_or(name)?)),
                None => path.push_str(segment),
            }
        }
        Ok(path)
    }
}

/// Encodes all but unreserved characters, so that a value stays one segment.
fn percent_encoded(value: &str) -> String {
    value.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~' | b'.') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(path: &str) -> Template {
        Template { method: Method::PUT, path: path.to_owned() }
    }

    fn values<const N: usize>(values: [(&str, &str); N]) -> BTreeMap<String, String> {
        values.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn a_path_is_filled_with_the_parameters_of_the_request() {
        let reaction = template("/rooms/{room}/messages/{message}/reactions/{emoji}");
        let filled = reaction.fill(&values([("room", "b.1"), ("message", "7"), ("emoji", "👍/?#% ")]));
        assert_eq!(filled, Ok("/rooms/b.1/messages/7/reactions/%F0%9F%91%8D%2F%3F%23%25%20".to_owned()));
        assert_eq!(template("/users/me").fill(&values([("room", "b.1")])), Ok("/users/me".to_owned()));
        assert_eq!(reaction.fill(&values([("room", "b.1"), ("emoji", "x")])), Err("message"));
    }
}
