//! Whole numbers as JSON has them: `2.0` is one, too.

use std::{fmt::Display, marker::PhantomData};

use serde::{
    Deserializer,
    de::{Error, Unexpected, Visitor},
};

/// A bounded whole number.
pub(crate) fn whole_number<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: TryFrom<u32, Error: Display>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_any(WholeNumber(PhantomData))
}

/// A bounded whole number, or null.
pub(crate) fn optional_whole_number<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: TryFrom<u32, Error: Display>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_option(Optional(PhantomData))
}

struct Optional<T>(PhantomData<T>);

impl<'de, T: TryFrom<u32, Error: Display>> Visitor<'de> for Optional<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a whole number or null")
    }

    fn visit_none<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        whole_number(deserializer).map(Some)
    }
}

struct WholeNumber<T>(PhantomData<T>);

impl<T: TryFrom<u32, Error: Display>> Visitor<'_> for WholeNumber<T> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        let number = u32::try_from(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))?;
        T::try_from(number).map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        // Displayed without a fraction if it has none.
        let whole_number = number.to_string().parse().map_err(|_| E::invalid_type(Unexpected::Float(number), &self))?;
        T::try_from(whole_number).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use domain::values::ExtensionHours;
    use serde_json::{Value, json};

    fn hours(value: &Value) -> Option<u32> {
        super::whole_number::<ExtensionHours, _>(value).ok().map(ExtensionHours::get)
    }

    #[test]
    fn an_optional_number_may_be_null() {
        let hours = |value: &Value| super::optional_whole_number::<ExtensionHours, _>(value).ok();
        assert_eq!(hours(&json!(null)), Some(None));
        assert_eq!(hours(&json!(2.0)).flatten().map(ExtensionHours::get), Some(2));
        assert_eq!((hours(&json!(4)), hours(&json!("2"))), (None, None));
    }

    #[test]
    fn a_whole_number_is_accepted_in_every_notation() {
        assert_eq!((hours(&json!(2)), hours(&json!(2.0))), (Some(2), Some(2)));
        for bad in [json!(2.5), json!(0), json!(4.0), json!(-1), json!(1e99), json!("2"), json!(null), json!(true)] {
            assert_eq!(hours(&bad), None, "{bad}");
        }
    }
}
