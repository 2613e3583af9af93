//! The contact address of a new user: an e-mail address, in the form that every mail program accepts.

use std::fmt;

use serde::Deserialize;

/// The maximum length of an address in bytes.
pub(crate) const MAX_BYTES: usize = 254;

/// The maximum length of the part before the `@` in bytes.
const MAX_LOCAL: usize = 64;

/// The maximum length of a part of the domain in bytes.
const MAX_LABEL: usize = 63;

/// A valid address. Its `Debug` form hides it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Contact(String);

impl TryFrom<String> for Contact {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let text = text.trim();
        if text.len() <= MAX_BYTES && text.rsplit_once('@').is_some_and(|(local, domain)| is_valid(local, domain)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("a contact is an e-mail address like ana@mail.example of at most {MAX_BYTES} bytes"))
        }
    }
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contact(..)")
    }
}

impl Contact {
    /// The address as the client gave it.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The address as it is counted: without regard to case.
    pub(super) fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

/// Accepts unquoted addresses. None can be taken for an option of a command, for several addresses or for a header.
fn is_valid(local: &str, domain: &str) -> bool {
    let is_atom = |c: char| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c);
    let is_local = local.len() <= MAX_LOCAL
        && !local.starts_with('-')
        && local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom));
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    is_local && domain.contains('.') && domain.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_an_address_that_is_no_option_list_or_header() {
        let contact = |text: &str| Contact::try_from(text.to_owned());
        for good in
            ["ana@mail.example", " ana.lytica+boxroom@mail.co.example ", "o'hara_1@b.example", "민수@우편.example"]
        {
            assert!(contact(good).is_ok(), "{good}");
        }
        let (long_local, long) = ("a".repeat(65), "a.".repeat(125));
        for bad in [
            "",
            "ana",
            "@mail.example",
            "ana@",
            "ana@mail",
            "ana@@mail.example",
            "ana@mail..example",
            ".ana@mail.example",
            "an..a@mail.example",
            "-oQ/tmp@mail.example",
            "ana@-mail.example",
            "ana ben@mail.example",
            "ana@mail.example,ben@mail.example",
            "ana@mail.example\r\nBcc: ben@mail.example",
            "<ana@mail.example>",
            "\"ana\"@mail.example",
            "ana@[127.0.0.1]",
            &format!("{long_local}@mail.example"),
            &format!("ana@{long}example"),
        ] {
            assert!(contact(bad).is_err(), "{bad:?}");
        }
        let ana = contact("Ana@Mail.example").unwrap();
        assert_eq!((ana.key().as_str(), format!("{ana:?}").as_str()), ("ana@mail.example", "Contact(..)"));
    }
}
