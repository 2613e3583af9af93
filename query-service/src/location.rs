//! Distances on the globe: the location of a request, and the areas that contain everything within a distance.

use domain::values::Coordinates;
use serde::Deserialize;

/// The mean radius of the earth in metres. The statements that compute distances use the same.
const EARTH_RADIUS: f64 = 6_371_008.8;

/// A margin for rounding, in degrees: less than a metre.
const MARGIN: f64 = 1e-6;

/// A location, written `latitude,longitude`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Location(Coordinates);

/// A distance in whole metres, at most 100 km.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "u32")]
pub(crate) struct Radius(u32);

/// The bounds of an area in degrees, as one or two ranges of longitudes: two if it crosses the antimeridian.
#[derive(Debug, PartialEq)]
pub(crate) struct Area {
    pub(crate) south: f64,
    pub(crate) north: f64,
    pub(crate) west: Vec<f64>,
    pub(crate) east: Vec<f64>,
}

impl TryFrom<String> for Location {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let refused = "must be latitude,longitude in degrees: -90 to 90 and -180 to 180";
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
        let (latitude, longitude) = text.split_once(',').filter(|(a, b)| plain(a) && plain(b)).ok_or(refused)?;
        let (latitude, longitude) = (latitude.parse().map_err(|_| refused)?, longitude.parse().map_err(|_| refused)?);
        Coordinates::new(latitude, longitude).map(Self).map_err(|_| refused)
    }
}

impl Radius {
    /// The maximum in metres.
    pub(crate) const MAX: u32 = 100_000;
    /// The default in metres.
    pub(crate) const DEFAULT: u32 = 5_000;

    /// The distance in metres.
    pub(crate) fn metres(self) -> f64 {
        f64::from(self.0)
    }
}

impl Default for Radius {
    fn default() -> Self {
        Self(Self::DEFAULT)
    }
}

impl TryFrom<u32> for Radius {
    type Error = &'static str;

    fn try_from(metres: u32) -> Result<Self, &'static str> {
        if (1..=Self::MAX).contains(&metres) { Ok(Self(metres)) } else { Err("must be 1 to 100000") }
    }
}

impl Location {
    /// Returns the location of these thousandths of a degree, see [`Location::thousandths`].
    pub(crate) fn of_thousandths(latitude: i32, longitude: i32) -> Self {
        let degrees = |thousandths| f64::from(thousandths) / 1000.0;
        Self(Coordinates::new(degrees(latitude), degrees(longitude)).expect("a rounded location is on the globe"))
    }

    /// Returns latitude and longitude in thousandths of a degree, about 100 m.
    #[expect(clippy::cast_possible_truncation, reason = "a longitude has at most 180,000 thousandths")]
    pub(crate) fn thousandths(self) -> (i32, i32) {
        let thousandths = |degrees: f64| (degrees * 1000.0).round() as i32;
        (thousandths(self.latitude()), thousandths(self.longitude()))
    }

    /// Degrees north.
    pub(crate) fn latitude(self) -> f64 {
        self.0.latitude()
    }

    /// Degrees east.
    pub(crate) fn longitude(self) -> f64 {
        self.0.longitude()
    }

    /// Returns the longitude as it is, and once around the globe: indexes order by plane distance, to which points
    /// beyond the antimeridian are far.
    pub(crate) fn longitudes(self) -> [f64; 2] {
        [self.longitude(), self.longitude() - 360_f64.copysign(self.longitude())]
    }

    /// Returns an area with every point within `metres`. Without a distance, the whole globe.
    pub(crate) fn area(self, metres: Option<f64>) -> Area {
        let whole = Area { south: -90.0, north: 90.0, west: vec![-180.0], east: vec![180.0] };
        let Some(metres) = metres else { return whole };
        let angle = metres / EARTH_RADIUS;
        let degrees = angle.to_degrees() + MARGIN;
        let (south, north) = ((self.latitude() - degrees).max(-90.0), (self.latitude() + degrees).min(90.0));
        if south <= -90.0 || north >= 90.0 {
            return Area { south, north, ..whole };
        }
        let width = (angle.sin() / self.latitude().to_radians().cos()).min(1.0).asin().to_degrees() + MARGIN;
        let (west, east) = (self.longitude() - width, self.longitude() + width);
        let (west, east) = if west < -180.0 {
            (vec![west + 360.0, -180.0], vec![180.0, east])
        } else if east > 180.0 {
            (vec![west, -180.0], vec![180.0, east - 360.0])
        } else {
            (vec![west], vec![east])
        };
        Area { south, north, west, east }
    }
}

impl Area {
    /// Returns true if the area contains this point, in degrees.
    pub(crate) fn contains(&self, latitude: f64, longitude: f64) -> bool {
        let is_between = |(west, east): (&f64, &f64)| (*west..=*east).contains(&longitude);
        (self.south..=self.north).contains(&latitude) && self.west.iter().zip(&self.east).any(is_between)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(latitude: f64, longitude: f64) -> Location {
        Location(Coordinates::new(latitude, longitude).unwrap())
    }

    fn distance(a: Location, b: Location) -> f64 {
        let half = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
        let (from, to) = (a.latitude().to_radians().cos(), b.latitude().to_radians().cos());
        let h = half(a.latitude(), b.latitude()) + from * to * half(a.longitude(), b.longitude());
        2.0 * EARTH_RADIUS * h.sqrt().min(1.0).asin()
    }

    #[test]
    fn coordinates_are_two_plain_numbers_on_the_globe() {
        assert!(Location::try_from("51.34,12.37".to_owned()).is_ok());
        assert!(Location::try_from("-90,-180".to_owned()).is_ok());
        for bad in ["", ",", "1", "1,", "1,2,3", "91,0", "0,181", "nan,0", "inf,0", "1e1,0", " 1,2", "1-2,3"] {
            assert!(Location::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_location_is_rounded_to_thousandths_of_a_degree() {
        assert_eq!(at(51.3397, 12.3731).thousandths(), (51_340, 12_373));
        assert_eq!(Location::of_thousandths(51_340, -180_000).thousandths(), (51_340, -180_000));
        assert_eq!(at(89.9999, -179.9999).thousandths(), (90_000, -180_000));
    }

    #[test]
    fn an_area_at_the_antimeridian_has_two_ranges() {
        let area = at(0.0, 179.99).area(Some(10_000.0));
        assert_eq!(area.west.len(), 2);
        assert!(area.contains(0.0, -179.95) && area.contains(0.0, 179.95));
        assert!(!area.contains(0.0, -179.8));
        assert_eq!(at(0.0, 10.0).area(Some(10_000.0)).west.len(), 1);
        assert_eq!(at(89.99, 10.0).area(Some(10_000.0)).west, [-180.0]);
    }

    proptest! {
        #[test]
        fn an_area_contains_every_point_within_the_distance(
            (latitude, longitude) in (-90.0..=90.0_f64, -180.0..=180.0_f64),
            (north, east) in (-2.0..=2.0_f64, -180.0..=180.0_f64),
            metres in 1.0..=200_000.0_f64,
        ) {
            let from = at(latitude, longitude);
            let to = at((latitude + north).clamp(-90.0, 90.0), east);
            if distance(from, to) <= metres {
                prop_assert!(from.area(Some(metres)).contains(to.latitude(), to.longitude()));
            }
        }
    }
}
