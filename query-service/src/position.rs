//! The `Min-Position` header: the read must include the event of an earlier command.

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderName};
use domain::{BoxId, Position};
use sqlx::PgConnection;
use utoipa::{
    IntoParams,
    openapi::{
        ArrayBuilder, ObjectBuilder,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::Type,
    },
};

use crate::{error::Error, generation::Progress};

/// The header. May occur several times.
const MIN_POSITION: HeaderName = HeaderName::from_static("min-position");

/// The maximum number of positions in a request.
const MAX_POSITIONS: usize = 16;

/// The positions that a read must have reached.
#[derive(Debug)]
pub(crate) struct MinPositions(Vec<Position>);

/// The state of a read model relative to the wanted positions.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Coverage {
    /// All positions are projected.
    All,
    /// Some positions are not projected yet. The text names them and the lag.
    NotYet(String),
}

impl MinPositions {
    /// Parses the headers of a request. Without a header, there are no positions.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Error> {
        let mut positions = Vec::new();
        for value in headers.get_all(MIN_POSITION) {
            let text = value.to_str().map_err(|_| invalid("must be text"))?;
            for one in text.split(',') {
                positions.push(one.trim().parse().map_err(invalid)?);
            }
        }
        if positions.len() > MAX_POSITIONS {
            return Err(invalid("at most 16 positions"));
        }
        Ok(Self(positions))
    }

    /// Returns true if there is nothing to wait for.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns true if notifications cover every position, so that the checkpoints should be read.
    pub(crate) fn is_covered_by(&self, progress: &Progress) -> bool {
        self.0.iter().all(|wanted| progress.get(&wanted.stream).is_some_and(|seen| *seen >= wanted.sequence))
    }

    /// Compares the positions with the checkpoints on this connection. `box_id` is the box that the read is about.
    pub(crate) async fn check(&self, connection: &mut PgConnection, box_id: Option<&BoxId>) -> Result<Coverage, Error> {
        let streams: Vec<String> = self.0.iter().map(|position| position.stream.clone()).collect();
        let checkpoints = sqlx::query_as!(
            Checkpoint,
            r#"
            select c.stream, c.incarnation, c.position, q.position as "quarantined_from?"
            from checkpoints c
            left join quarantined_boxes q on q.stream = c.stream and q.box_id = $2
            where c.stream = any($1)
            "#,
            &streams,
            box_id.map(BoxId::as_str),
        )
        .fetch_all(connection)
        .await?;
        let mut lag = String::new();
        for wanted in &self.0 {
            let checkpoint = checkpoints
                .iter()
                .find(|checkpoint| checkpoint.stream == wanted.stream && checkpoint.incarnation == wanted.incarnation)
                .ok_or_else(|| invalid("is a position of another log"))?;
            let sequence = wanted.sequence.cast_signed();
            if checkpoint.quarantined_from.is_some_and(|from| sequence >= from) {
                return Err(Error::BoxQuarantined);
            }
            if checkpoint.position < sequence {
                let behind = sequence - checkpoint.position;
                let _ = write!(lag, "{} is at {}, {behind} behind; ", wanted.stream, checkpoint.position);
            }
        }
        Ok(if lag.is_empty() { Coverage::All } else { Coverage::NotYet(lag.trim_end_matches("; ").to_owned()) })
    }
}

fn invalid(reason: impl std::fmt::Display) -> Error {
    Error::InvalidPosition(format!("Min-Position: {reason}"))
}

#[derive(Debug)]
struct Checkpoint {
    stream: String,
    incarnation: String,
    position: i64,
    /// The sequence at which projection stopped, if the box is in quarantine and on this stream.
    quarantined_from: Option<i64>,
}

/// The header's description, for operations that accept it.
pub(crate) struct MinPosition;

impl IntoParams for MinPosition {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let position = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[a-zA-Z0-9-]{1,40}\\.[a-zA-Z0-9-]{1,40}\\.[0-9]{1,18}$"));
        vec![
            ParameterBuilder::new()
                .name("Min-Position")
                .parameter_in(ParameterIn::Header)
                .description(Some(
                    "The `Event-Position`s of earlier commands: the response includes their events, or is a 503",
                ))
                .schema(Some(ArrayBuilder::new().items(position).max_items(Some(MAX_POSITIONS))))
                .build(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(values: &[&str]) -> Result<MinPositions, Error> {
        MinPositions::of(&values.iter().map(|value| (MIN_POSITION, value.parse().unwrap())).collect())
    }

    #[test]
    fn positions_are_read_from_one_or_several_headers() {
        assert!(parsed(&[]).unwrap().is_empty());
        assert_eq!(parsed(&["box-1.a.3", "user.b.4"]).unwrap().0.len(), 2);
        assert_eq!(parsed(&["box-1.a.3, user.b.4"]).unwrap().0.len(), 2);
        for bad in ["", "x", "box-1.a.3,", "box-1.a.-3"] {
            assert!(matches!(parsed(&[bad]), Err(Error::InvalidPosition(_))), "{bad:?}");
        }
        assert!(parsed(&["user.b.4"; MAX_POSITIONS + 1]).is_err());
    }

    #[test]
    fn notifications_count_only_when_they_cover_every_position() {
        let wanted = parsed(&["box-1.a.3", "user.b.4"]).unwrap();
        let progress = |box_1: u64, user: u64| Progress::from([("box-1".into(), box_1), ("user".into(), user)]);
        assert!(wanted.is_covered_by(&progress(3, 9)));
        assert!(!wanted.is_covered_by(&progress(2, 9)));
        assert!(!wanted.is_covered_by(&Progress::new()));
    }
}
