//! Keyset pages: a bounded number of items, and the cursor of the next page.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::cursor;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The items of this page.
    pub(crate) items: Vec<T>,
    /// The `cursor` of the next page; null on the last page.
    #[schema(required)]
    pub(crate) next: Option<String>,
}

impl<T> Page<T> {
    /// Cuts a page of at most `limit` items. `items` has one more if there is a next page.
    pub(crate) fn cut<K: Serialize>(mut items: Vec<T>, limit: Limit, list: &str, key: impl FnOnce(&T) -> K) -> Self {
        let more = items.len() > limit.count();
        items.truncate(limit.count());
        let next = items.last().filter(|_| more).map(|last| cursor::encode(list, &key(last)));
        Self { items, next }
    }
}

/// The maximum number of items on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub(crate) struct Limit(u32);

impl Limit {
    /// The minimum.
    pub(crate) const MIN: u32 = 1;
    /// The maximum.
    pub(crate) const MAX: u32 = 200;
    /// The default.
    pub(crate) const DEFAULT: u32 = 50;

    /// Returns the number of items.
    pub(crate) fn count(self) -> usize {
        self.0 as usize
    }

    /// Returns the number of rows to read: one more than the limit, to detect a next page.
    pub(crate) fn rows(self) -> i64 {
        i64::from(self.0) + 1
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(Self::DEFAULT)
    }
}

impl TryFrom<u32> for Limit {
    type Error = &'static str;

    fn try_from(count: u32) -> Result<Self, &'static str> {
        if (Self::MIN..=Self::MAX).contains(&count) { Ok(Self(count)) } else { Err("must be 1 to 200") }
    }
}

/// The query of a read without parameters. Any parameter is an error.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoParameters {}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_of(items: u32, limit: u32) -> Page<u32> {
        let limit = Limit::try_from(limit).unwrap();
        Page::cut((1..=items).collect(), limit, "numbers", |last| *last)
    }

    #[test]
    fn a_full_page_has_a_next_page_only_if_there_are_more_items() {
        assert_eq!(page_of(0, 2).next, None);
        assert_eq!(page_of(2, 2).next, None);
        let page = page_of(3, 2);
        assert_eq!(page.items, [1, 2]);
        assert_eq!(cursor::decode("numbers", page.next.as_deref()).unwrap(), Some(2));
    }

    #[test]
    fn a_limit_is_1_to_200() {
        assert!(Limit::try_from(1).is_ok() && Limit::try_from(200).is_ok());
        assert!(Limit::try_from(0).is_err() && Limit::try_from(201).is_err());
    }
}
