//! The content of a push message, read at the moment of each attempt: nothing of it is stored by the notifier.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use clap::ValueEnum;
use push::{DeviceToken, PushMessage, RegistrationToken, Subscription, Target};
use service_kit::clock;
use sqlx::{PgConnection, query_as, query_scalar};

use crate::{
    decision::{Alarm, Reason, reason_against},
    pushes::Push,
    tell::recipient,
    texts::{Texts, Variables},
};

/// The greatest badge: unread alarms are counted up to this number.
const MAX_BADGE: i64 = 1_000;

/// How much of an alarm a push message shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preview {
    /// Only that there is news.
    None,
    /// The kind, the room's title and the name of the user who caused it.
    Sender,
    /// The text of the message as well.
    Text,
}

/// A message to a device.
pub(crate) struct Content {
    pub(crate) message: PushMessage,
    pub(crate) target: Target,
    /// The text of the target in the read model and in the log, to recognize a later one.
    pub(crate) stored_target: String,
}

/// The result of composing.
pub(crate) enum Composed {
    Send(Box<Content>),
    /// The user or the device need not be told any more.
    Skip(&'static str),
    /// The read model has not reached the alarm yet: another generation may be behind.
    Later,
    /// The stored target is not one of its provider.
    Invalid(String),
}

/// A device, the room, and the alarm as the read model shows them.
#[expect(clippy::struct_excessive_bools, reason = "each is a column of the answer")]
struct Found {
    provider: String,
    target: String,
    locale: String,
    /// None if it is erased.
    title: Option<String>,
    v: i64,
    message_id: Option<i64>,
    stands: bool,
    is_read: bool,
    is_by_blocked: bool,
    by: Option<String>,
    body: Option<String>,
    /// True if the read model has not reached the alarm.
    is_behind: bool,
    /// The number of alarms of the room up to this one that stand and are unread.
    standing: i64,
}

/// Composes a push message from the read model, unless its user need not be told any more.
pub(crate) async fn compose(
    connection: &mut PgConnection,
    texts: &Texts,
    preview: Preview,
    push: &Push,
) -> Result<Composed, sqlx::Error> {
    let Push { group, .. } = push;
    let Some(found) = find(connection, push).await? else { return Ok(Composed::Skip("no_device")) };
    if found.is_behind {
        return Ok(Composed::Later);
    }
    let alarm = Alarm {
        kind: push.kind.clone(),
        message_id: found.message_id,
        stands: found.stands,
        is_read: found.is_read,
        is_by_blocked: found.is_by_blocked,
    };
    let Some(recipient) = recipient(connection, group).await? else { return Ok(Composed::Skip("erased")) };
    let against = |alarm: &Alarm| reason_against(alarm, &group.user_id, &recipient, &BTreeSet::new(), clock::now());
    let mut reason = against(&alarm);
    // Earlier alarms of the message may still stand.
    let is_gone = matches!(reason, Some(Reason::Withdrawn | Reason::Blocked));
    let is_reduced = is_gone && push.alarms > 1 && found.standing > 0;
    if is_reduced {
        reason = against(&Alarm { message_id: None, stands: true, is_by_blocked: false, ..alarm.clone() });
    }
    if let Some(reason) = reason {
        return Ok(Composed::Skip(reason.as_str()));
    }
    let target = match parse(&found.provider, &found.target) {
        Ok(target) => target,
        Err(error) => return Ok(Composed::Invalid(error)),
    };
    let name = match (preview, push.alarms, &found.body) {
        (Preview::None, 1, _) => "hidden",
        (Preview::None, ..) => "hidden_many",
        (_, 2.., _) => "many",
        (Preview::Text, _, Some(_)) if push.kind != "reaction" => "message",
        _ => &push.kind,
    };
    let variables = Variables {
        room: found.title.as_deref(),
        by: found.by.as_deref(),
        text: found.body.as_deref().unwrap_or_default(),
        count: push.alarms,
    };
    let (title, body) = texts.compose(&found.locale, name, variables);
    let mut data = BTreeMap::from([
        ("kind".to_owned(), push.kind.clone()),
        ("room_id".to_owned(), group.room_id.clone()),
        ("v".to_owned(), found.v.to_string()),
        ("alarms".to_owned(), push.alarms.to_string()),
    ]);
    data.extend(
        found.message_id.filter(|_| !is_reduced).map(|message_id| ("message_id".to_owned(), message_id.to_string())),
    );
    let message = PushMessage {
        id: push.id,
        collapse_key: Some(group.room_id.clone()),
        title: Some(title),
        body: Some(body),
        data,
        badge: badge(connection, &group.user_id).await?,
        urgent: push.kind != "reaction",
        ttl: Duration::from_secs(push.expires_in_s.unsigned_abs()),
    };
    Ok(Composed::Send(Box::new(Content { message, target, stored_target: found.target })))
}

/// Reads what the message says. Returns none for a device that does not exist any more, or whose target belongs to
/// another one by now.
async fn find(connection: &mut PgConnection, push: &Push) -> Result<Option<Found>, sqlx::Error> {
    let Push { group, .. } = push;
    let found = query_as!(
        Found,
        r#"select
             d.provider,
             d.target,
             d.locale,
             case when r.title_erased then null else r.title end as title,
             r.v,
             a.message_id as "message_id?",
             a.user_id is not null and a.withdrawn is null as "stands!",
             coalesce(a.latest <= ar.up_to, false) as "is_read!",
             coalesce(not a.is_shown, false) as "is_by_blocked!",
             u.nickname as "by?",
             m.body as "body?",
             c.position < $6 as "is_behind!",
             (
               select count(*)
               from shown_alarms others
               where others.user_id = $1
                 and others.stream = $5
                 and others.room_id = $4
                 and others.position <= $6
                 and others.withdrawn is null
                 and others.is_shown
                 and others.latest_of_all > coalesce(ar.up_to, 0)
                 and others.latest > coalesce(ar.up_to, 0)
             ) as "standing!"
           from devices d
           join checkpoints c on c.stream = $5
           join rooms r on r.box_id = $3 and r.room_id = $4
           left join shown_alarms a on a.user_id = d.user_id and a.stream = $5 and a.position = $6 and a.kind = $7
           left join alarms_read ar on ar.user_id = d.user_id and ar.stream = $5
           left join users u on u.user_id = a.by
           left join messages m on m.box_id = $3 and m.room_id = $4 and m.message_id = a.message_id
           where d.user_id = $1
             and d.device_id = $2
             and not exists (
               select
               from devices other
               where md5(other.target) = md5(d.target)
                 and other.target = d.target
                 and (other.registered_at, other.user_id, other.device_id)
                   > (d.registered_at, d.user_id, d.device_id)
             )"#,
        group.user_id,
        push.device_id,
        group.box_id,
        group.room_id,
        push.stream,
        push.position,
        push.kind
    );
    found.fetch_optional(connection).await
}

fn parse(provider: &str, target: &str) -> Result<Target, String> {
    let target = match provider {
        "fcm" => RegistrationToken::new(target).map(Target::Fcm),
        "apns" => DeviceToken::new(target).map(Target::Apns),
        "web_push" => Subscription::from_json(target).map(Target::WebPush),
        other => return Err(format!("unknown provider {other}")),
    };
    target.map_err(|error| error.to_string())
}

/// Returns the number of the user's unread alarms.
async fn badge(connection: &mut PgConnection, user_id: &str) -> Result<u32, sqlx::Error> {
    let unread = query_scalar!(
        r#"select count(*) as "unread!"
           from (
             select
             from checkpoints c
             left join alarms_read r on r.user_id = $1 and r.stream = c.stream
             cross join lateral (
               select
               from shown_alarms a
               where a.user_id = $1
                 and a.stream = c.stream
                 and a.latest_of_all > coalesce(r.up_to, 0)
                 and a.latest > coalesce(r.up_to, 0)
                 and a.withdrawn is null
                 and a.is_shown
               limit $2
             ) as unread
             where c.stream like 'box-%'
             limit $2
           ) as unread"#,
        user_id,
        MAX_BADGE
    );
    Ok(u32::try_from(unread.fetch_one(connection).await?).unwrap_or(u32::MAX))
}
