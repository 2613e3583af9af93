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
    fn a_whole_number_is_accepted_in_every_notation() {
        assert_eq!((hours(&json!(2)), hours(&json!(2.0))), (Some(2), Some(2)));
        for bad in [json!(2.5), json!(0), json!(4.0), json!(-1), json!(1e99), json!("2"), json!(null), json!(true)] {
            assert_eq!(hours(&bad), None, "{bad}");
        }
    }
}
