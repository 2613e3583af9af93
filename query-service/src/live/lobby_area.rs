//! Areas of the lobby.

use domain::values::ZipCode;

use crate::{
    location::{Location, Radius},
    rooms::find::Around,
};

/// The open rooms that a client follows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum LobbyArea {
    /// The newest rooms of a postal code.
    ZipCode(String),
    /// The nearest rooms around a location: latitude and longitude in thousandths of a degree, so that neighbours share
    /// an area.
    Around { latitude: i32, longitude: i32, radius: Radius },
}

impl LobbyArea {
    /// Returns the area of a request, which names either a postal code or a location.
    pub(super) fn of(
        zip_code: Option<ZipCode>,
        near: Option<Location>,
        radius: Option<Radius>,
    ) -> Result<Self, &'static str> {
        match (zip_code, near, radius) {
            (Some(zip_code), None, None) => Ok(Self::ZipCode(zip_code.into())),
            (None, Some(near), radius) => {
                let (latitude, longitude) = near.thousandths();
                Ok(Self::Around { latitude, longitude, radius: radius.unwrap_or_default() })
            }
            _ => Err("either `zip_code`, or `near` with or without `radius`"),
        }
    }

    /// Returns true if a room with this postal code and location may be in the area.
    pub(super) fn contains(&self, zip_code: &str, latitude: f64, longitude: f64) -> bool {
        match self {
            Self::ZipCode(followed) => followed == zip_code,
            Self::Around { .. } => self.around().is_some_and(|Around { location, radius }| {
                location.area(Some(radius.metres())).contains(latitude, longitude)
            }),
        }
    }

    /// Returns the circle of an area around a location.
    pub(super) fn around(&self) -> Option<Around> {
        match self {
            Self::ZipCode(_) => None,
            Self::Around { latitude, longitude, radius } => {
                Some(Around { location: Location::of_thousandths(*latitude, *longitude), radius: *radius })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(zip_code: Option<&str>, near: Option<&str>, radius: Option<u32>) -> Result<LobbyArea, &'static str> {
        LobbyArea::of(
            zip_code.map(|zip_code| ZipCode::try_from(zip_code.to_owned()).unwrap()),
            near.map(|near| Location::try_from(near.to_owned()).unwrap()),
            radius.map(|radius| Radius::try_from(radius).unwrap()),
        )
    }

    #[test]
    fn an_area_is_a_postal_code_or_a_circle() {
        let zip_code = area(Some("04109"), None, None).unwrap();
        assert!(zip_code.contains("04109", 0.0, 0.0) && !zip_code.contains("04177", 0.0, 0.0));
        let around = area(None, Some("51.35,12.37"), None).unwrap();
        assert!(around.contains("", 51.36, 12.37) && !around.contains("", 51.45, 12.37));
        assert_eq!(around, area(None, Some("51.3502,12.3701"), Some(5_000)).unwrap(), "neighbours share an area");
        for (zip_code, near, radius) in
            [(None, None, None), (None, None, Some(1)), (Some("1"), None, Some(1)), (Some("1"), Some("1,1"), None)]
        {
            assert!(area(zip_code, near, radius).is_err());
        }
    }
}
