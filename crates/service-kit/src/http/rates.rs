//! The rate limits of users and addresses: sustained requests a second, and a burst.

use std::{
    fmt,
    hash::Hash,
    num::NonZeroU32,
    str::FromStr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    Router,
    extract::{FromRequestParts, Request, State},
    http::{HeaderName, HeaderValue, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use clap::Args;
use domain::UserId;
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::HashMapStateStore,
};
use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::client::{ClientAddress, client_address};
use crate::{
    auth::{Authenticated, Caller, Verifier},
    problem::Problem,
};

/// The interval of dropping refilled buckets, in seconds.
const SWEEP_SECONDS: u64 = 10;

static REFUSED: LazyLock<Family<[(&'static str, &'static str); 1], Counter>> = LazyLock::new(Family::default);

pub(super) fn register(registry: &mut Registry) {
    let help = "Requests and live connections rejected by a rate limit, by limit";
    registry.register("rate_limited", help, REFUSED.clone());
}

/// A rate limit of requests a second and a burst: `50:200`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    per_second: NonZeroU32,
    burst: NonZeroU32,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once(':').and_then(|(rate, burst)| Some((rate.parse().ok()?, burst.parse().ok()?)));
        let (per_second, burst) = numbers.ok_or_else(|| format!("{text} is not a rate and a burst like 50:200"))?;
        Ok(Self { per_second, burst })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.per_second, self.burst)
    }
}

impl Rate {
    /// Returns the seconds until this number of requests is available again.
    fn seconds_for(self, requests: u32) -> u32 {
        requests.div_ceil(self.per_second.get())
    }
}

/// The rate limits of clients: sustained requests a second, and the burst.
#[derive(Debug, Clone, Args)]
pub struct RateArgs {
    /// Rate limit of one user, like `50:200`: 50 requests a second, in bursts of up to 200
    #[arg(long, env = "BOXROOM_RATE_PER_USER", default_value = "50:200", value_name = "RATE:BURST")]
    pub rate_per_user: Rate,

    /// Rate limit of requests without a valid token from one address (or IPv6 /64 network)
    #[arg(long, env = "BOXROOM_RATE_PER_ADDRESS", default_value = "50:500", value_name = "RATE:BURST")]
    pub rate_per_address: Rate,
}

impl RateArgs {
    /// Creates rate limiters with these settings.
    pub fn rates(&self) -> Arc<Rates> {
        Rates::new(("user", self.rate_per_user), ("address", self.rate_per_address))
    }
}

/// The rate limiters of users and addresses. There is one for the process, and one for each kind of request that has
/// its own limits.
#[derive(Debug)]
pub struct Rates {
    principals: Limit<Principal>,
    /// The limit of requests without a valid token.
    addresses: Limit<ClientAddress>,
}

impl Rates {
    /// Creates limiters, each with its name in headers and metrics.
    pub fn new(users: (&'static str, Rate), addresses: (&'static str, Rate)) -> Arc<Self> {
        Arc::new(Self { principals: Limit::new(users), addresses: Limit::new(addresses) })
    }

    /// Counts a request of a caller. Fails if the limit is reached.
    pub fn count_caller(&self, caller: &Caller) -> Result<(), Problem> {
        self.principals.count(&principal(caller)).map(drop).map_err(LimitState::refusal)
    }
}

/// A role and an id. Users, operators, moderators and boxes with the same id have separate limits.
type Principal = (&'static str, UserId);

fn principal(caller: &Caller) -> Principal {
    (caller.role.name(), caller.user_id.clone())
}

struct Limit<K: Hash + Eq + Clone> {
    name: &'static str,
    rate: Rate,
    limiter: RateLimiter<K, HashMapStateStore<K>, DefaultClock, StateInformationMiddleware>,
    started_at: Instant,
    /// The time of the last sweep, in seconds since `started_at`.
    swept_at: AtomicU64,
}

impl<K: Hash + Eq + Clone> fmt::Debug for Limit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit").field("name", &self.name).field("rate", &self.rate).finish_non_exhaustive()
    }
}

impl<K: Hash + Eq + Clone> Limit<K> {
    fn new((name, rate): (&'static str, Rate)) -> Self {
        // Counters exist from the start, because a rate needs a first value.
        drop(REFUSED.get_or_create(&[("limit", name)]));
        let limiter = RateLimiter::hashmap(Quota::per_second(rate.per_second).allow_burst(rate.burst));
        Self { name, rate, limiter: limiter.with_middleware(), started_at: Instant::now(), swept_at: AtomicU64::new(0) }
    }

    fn count(&self, key: &K) -> Result<LimitState, LimitState> {
        self.drop_refilled(self.started_at.elapsed().as_secs());
        let count = |remaining, seconds| LimitState { name: self.name, rate: self.rate, remaining, seconds };
        match self.limiter.check_key(key) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                Ok(count(remaining, self.rate.seconds_for(self.rate.burst.get() - remaining)))
            }
            Err(early) => {
                REFUSED.get_or_create(&[("limit", self.name)]).inc();
                let wait = early.wait_time_from(self.limiter.clock().now());
                Err(count(0, u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1)))
            }
        }
    }

    /// Drops refilled buckets. A refilled bucket equals a new one.
    fn drop_refilled(&self, now: u64) {
        let swept_at = self.swept_at.load(Ordering::Relaxed);
        let is_time = now >= swept_at + SWEEP_SECONDS;
        if is_time && self.swept_at.compare_exchange(swept_at, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
    }
}

/// The state of a limit after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LimitState {
    name: &'static str,
    rate: Rate,
    /// The number of requests left in the burst.
    remaining: u32,
    /// The seconds until the whole burst is available, or until the next request is allowed if this one was rejected.
    seconds: u32,
}

impl LimitState {
    fn refusal(self) -> Problem {
        let Rate { per_second, burst } = self.rate;
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", "Too many requests")
            .detail(format!("At most {per_second} requests a second, in bursts of up to {burst} ({})", self.name))
            .retry_after(self.seconds)
    }

    fn write_headers(&self, response: &mut Response) {
        let Self { name, rate, remaining, seconds } = *self;
        let (quota, window) = (rate.burst, rate.seconds_for(rate.burst.get()));
        let policy = format!("\"{name}\";q={quota};w={window}");
        for (header, value) in [
            (RATE_LIMIT_POLICY, HeaderValue::try_from(policy)),
            (RATE_LIMIT, HeaderValue::try_from(format!("\"{name}\";r={remaining};t={seconds}"))),
        ] {
            if let Ok(value) = value {
                response.headers_mut().insert(header, value);
            }
        }
    }
}

/// The header with the policy (IETF draft httpapi-ratelimit-headers): `q` requests in `w` seconds.
pub(super) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The header with the state: `r` requests left, and all of them available in `t` seconds.
pub(super) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Counts all requests to these routes: those with a valid token for the user, all others for the address.
pub fn limit(router: Router, rates: &Arc<Rates>, verifier: &Verifier) -> Router {
    let state = (Arc::clone(rates), verifier.clone());
    router.layer(middleware::from_fn_with_state(state, count))
}

async fn count(State((rates, verifier)): State<(Arc<Rates>, Verifier)>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let caller = Caller::from_request_parts(&mut parts, &verifier).await;
    let counted = match &caller {
        Ok(caller) => rates.principals.count(&principal(caller)),
        Err(_) => rates.addresses.count(&client_address(&parts.extensions)),
    };
    let (count, mut response) = match counted {
        Ok(count) => {
            // Stored, so that the handler need not verify the token again.
            parts.extensions.insert(Authenticated(caller));
            (count, next.run(Request::from_parts(parts, body)).await)
        }
        Err(count) => (count, count.refusal().into_response()),
    };
    count.write_headers(&mut response);
    response
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, routing::get};
    use domain::UserId;
    use tower::ServiceExt;

    use super::*;
    use crate::{
        auth::{Grant, Role, tests::pair},
        clock::now,
    };

    fn rates(users: &str, addresses: &str) -> Arc<Rates> {
        Rates::new(("user", users.parse().unwrap()), ("address", addresses.parse().unwrap()))
    }

    #[tokio::test]
    async fn each_user_and_each_address_has_a_limit_of_its_own() {
        let (signer, verifier) = pair();
        let router = Router::new()
            .route(
                "/",
                get(async |caller: Result<Caller, Problem>| {
                    caller.map_or_else(|problem| problem.code().to_owned(), |caller| caller.user_id.to_string())
                }),
            )
            .with_state(verifier.clone());
        let router = limit(router, &rates("1:3", "1:2"), &verifier);
        let ask = async |user: Option<&str>, address: [u8; 4]| {
            let mut request = Request::get("/");
            if let Some(user) = user {
                let (user_id, lifetime) = (&user.parse::<UserId>().unwrap(), chrono::TimeDelta::minutes(1));
                let grant =
                    Grant { user_id, role: &Role::User, session: None, authenticated_at: None, at: now(), lifetime };
                let token = signer.sign(grant).unwrap();
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let mut request = request.body(Body::empty()).unwrap();
            request.extensions_mut().insert(ClientAddress::from(std::net::IpAddr::from(address)));
            let response = router.clone().oneshot(request).await.unwrap();
            let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            let headers =
                [header("ratelimit-policy"), header("ratelimit"), header("retry-after")].map(Option::unwrap_or_default);
            (response.status().as_u16(), headers.join(" "))
        };
        let (here, there) = ([192, 0, 2, 1], [192, 0, 2, 2]);
        for (remaining, seconds) in [(2, 1), (1, 2), (0, 3)] {
            let headers = format!("\"user\";q=3;w=3 \"user\";r={remaining};t={seconds} ");
            assert_eq!(ask(Some("ana"), here).await, (200, headers));
        }
        let refused = (429, "\"user\";q=3;w=3 \"user\";r=0;t=1 1".to_owned());
        assert_eq!(ask(Some("ana"), there).await, refused, "from every address");
        assert_eq!(ask(Some("ben"), here).await.0, 200);
        // Requests without a token are counted for the address, and do not affect others there.
        for status in [200, 200, 429] {
            assert_eq!(ask(None, here).await.0, status);
        }
        assert_eq!((ask(None, there).await.0, ask(Some("ben"), here).await.0), (200, 200));
    }

    fn caller(id: &str, role: Role) -> Caller {
        let at = now();
        Caller {
            user_id: id.parse().unwrap(),
            role,
            issued_at: at,
            expires_at: at,
            session: None,
            authenticated_at: None,
        }
    }

    #[test]
    fn principals_with_the_same_name_have_separate_limits() {
        let rates = rates("1:2", "1:1");
        let roles = || [Role::User, Role::Operator, Role::Moderator, Role::Device("locker-7".parse().unwrap())];
        for role in roles().into_iter().chain(roles()) {
            rates.count_caller(&caller("locker-7", role)).unwrap();
        }
        for role in roles() {
            assert_eq!(rates.count_caller(&caller("locker-7", role)).unwrap_err().code(), "rate-limited");
        }
    }

    #[test]
    fn idle_callers_are_removed() {
        let rates = rates("1000000:2", "1:1");
        for number in 0..1000 {
            rates.count_caller(&caller(&format!("user-{number}"), Role::User)).unwrap();
        }
        rates.principals.drop_refilled(SWEEP_SECONDS - 1);
        assert_eq!(rates.principals.limiter.len(), 1000);
        rates.principals.drop_refilled(SWEEP_SECONDS);
        let remembered = rates.principals.limiter.len();
        assert!(remembered < 1000, "{remembered} are remembered");
    }

    #[test]
    fn a_rate_consists_of_two_numbers() {
        assert_eq!("50:200".parse::<Rate>().unwrap().to_string(), "50:200");
        for bad in ["", "50", "0:1", "1:0", "-1:5", "1:2:3", "a:b", "1.5:2"] {
            bad.parse::<Rate>().unwrap_err();
        }
    }
}
