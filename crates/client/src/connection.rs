//! A client: its handle, its inbox, and the task between them that connects and reconnects.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use domain::RoomId;
use futures::Stream;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{Connector, tungstenite::http::Uri};

use crate::{
    backoff::Backoff,
    incoming::{Error, FetchError, Incoming, Loss, Page},
    options::{Options, Since},
    session::{InboxSender, Session, Shared},
    socket::Disconnect,
    socket::connector,
};

/// The age from which a connection counts as good and resets the backoff.
const STABLE_AFTER: Duration = Duration::from_secs(5);

/// The maximum number of tokens refused in a row before the client stops.
const MAX_REFUSALS: u32 = 3;

/// The handle of a client, which selects the rooms to follow. Clones share one client.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

/// The receiver of a client's items. Dropping it closes the client's connection.
#[derive(Debug)]
pub struct Inbox(mpsc::Receiver<Result<Incoming, Error>>);

impl Client {
    /// Connects in the background and reconnects after every interruption, as long as the inbox exists.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn connect(options: Options) -> Result<(Self, Inbox), Error> {
        let addresses = options.urls.iter().map(|url| live_address(url)).collect::<Result<Vec<_>, _>>()?;
        if addresses.is_empty() {
            return Err(Error::InvalidAddress { url: String::new() });
        }
        let shared = Arc::new(Shared::default());
        let (sender, inbox) = mpsc::channel(options.capacity);
        let attempt = rand::random_range(0..addresses.len());
        let backoff = Backoff::new(options.first_delay, options.longest_delay);
        let encrypted = addresses.iter().any(|address| address.scheme_str() == Some("wss"));
        let task = Task {
            connector: encrypted.then(connector),
            shared: shared.clone(),
            sender,
            options,
            addresses,
            attempt,
            backoff,
            token: None,
            refusals: 0,
        };
        tokio::spawn(task.run());
        Ok((Self { shared }, Inbox(inbox)))
    }

    /// Follows a room across interruptions, until it is unsubscribed or ends. A room that is followed already starts
    /// again from `since`.
    pub fn subscribe(&self, room: RoomId, since: Since) {
        self.shared.rooms().request(room, since);
        self.shared.changed.notify_one();
    }

    /// Stops following a room. [`Incoming::Ended`] is the last item of it.
    pub fn unsubscribe(&self, room: &RoomId) {
        self.shared.rooms().leave(room);
        self.shared.changed.notify_one();
    }

    /// Reads a page of a room's feed after a version, as soon as there is a connection. The room need not be followed,
    /// but the user must be a member.
    pub async fn fetch(&self, room: RoomId, after_v: u64) -> Result<Page, FetchError> {
        let answered = self.shared.fetches().request(room, after_v);
        self.shared.changed.notify_one();
        answered.await.unwrap_or(Err(FetchError::Stopped))
    }
}

impl Inbox {
    /// Returns the next item. An error is the last item. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Incoming, Error>> {
        self.0.recv().await
    }
}

impl Stream for Inbox {
    type Item = Result<Incoming, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// The task that connects and reconnects. Owned by the runtime; ends with the inbox.
struct Task {
    shared: Arc<Shared>,
    sender: InboxSender,
    options: Options,
    addresses: Vec<Uri>,
    /// The TLS connector, if an address needs encryption.
    connector: Option<Connector>,
    /// The number of the next attempt, which selects the address.
    attempt: usize,
    backoff: Backoff,
    token: Option<Token>,
    /// The number of tokens refused in a row.
    refusals: u32,
}

struct Token {
    text: String,
    /// The close code and the reason of the refusal, if it was refused.
    refused: Option<(u16, String)>,
}

/// The reason why the task stops.
enum Stop {
    InboxDropped,
    Failed(Error),
}

impl Task {
    async fn run(mut self) {
        let stop = self.reconnect_forever().await;
        self.shared.fetches().end();
        if let Err(Stop::Failed(error)) = stop {
            // Fails if the inbox was dropped: the error has no reader.
            let _ = self.sender.send(Err(error)).await;
        }
    }

    async fn reconnect_forever(&mut self) -> Result<std::convert::Infallible, Stop> {
        loop {
            let (loss, requested) = match self.connect_once().await? {
                Disconnect::Lost(loss, requested, cursor) => {
                    self.shared.user_items().set_cursor(cursor);
                    (loss, requested)
                }
                Disconnect::InboxDropped => return Err(Stop::InboxDropped),
            };
            self.handle_loss(&loss)?;
            self.attempt += 1;
            let retry_in = self.backoff.next(requested);
            tracing::debug!(%loss, ?retry_in, "disconnected");
            self.deliver(Incoming::Disconnected { reason: loss, retry_in }).await?;
            tokio::select! {
                () = sleep(retry_in) => {}
                () = self.sender.closed() => return Err(Stop::InboxDropped),
            }
        }
    }

    async fn connect_once(&mut self) -> Result<Disconnect, Stop> {
        let sender = self.sender.clone();
        let opened = tokio::select! {
            opened = self.open() => opened?,
            () = sender.closed() => return Err(Stop::InboxDropped),
        };
        let mut session = match opened {
            Ok(session) => session,
            Err(disconnect) => return Ok(disconnect),
        };
        self.refusals = 0;
        let since = Instant::now();
        let url = self.options.urls[self.attempt % self.addresses.len()].clone();
        self.deliver(Incoming::Connected { url }).await?;
        let disconnect = session.follow().await;
        if let Some(token) = &mut self.token {
            session.token().clone_into(&mut token.text);
        }
        if since.elapsed() >= STABLE_AFTER {
            self.backoff.reset();
        }
        Ok(disconnect)
    }

    async fn open(&mut self) -> Result<Result<Session, Disconnect>, Stop> {
        let token = match self.token().await? {
            Ok(token) => token,
            Err(loss) => return Ok(Err(loss.into())),
        };
        let address = &self.addresses[self.attempt % self.addresses.len()];
        let connector = self.connector.clone().filter(|_| address.scheme_str() == Some("wss"));
        let ends = (self.shared.clone(), self.sender.clone());
        Ok(Session::open(address, connector, token, ends, &self.options).await)
    }

    /// Returns the last token if it was not refused, or a new one.
    async fn token(&mut self) -> Result<Result<String, Loss>, Stop> {
        if let Some(Token { text, refused: None }) = &self.token {
            return Ok(Ok(text.clone()));
        }
        let time_limit = self.options.time_limit;
        let text = match timeout(time_limit, (self.options.tokens)()).await {
            Ok(Ok(text)) => text,
            Ok(Err(error)) => return Ok(Err(Loss::NoToken(error.to_string()))),
            Err(_) => return Ok(Err(Loss::NoToken(format!("no token within {time_limit:?}")))),
        };
        match self.token.replace(Token { text: text.clone(), refused: None }) {
            Some(Token { text: old, refused: Some((code, reason)) }) if old == text => {
                Err(Stop::Failed(Error::TokenRefused { code, reason }))
            }
            Some(_) | None => Ok(Ok(text)),
        }
    }

    /// Decides from a close code about reconnecting: marks a refused token, or stops the client.
    fn handle_loss(&mut self, loss: &Loss) -> Result<(), Stop> {
        let Loss::Closed { code, reason } = loss else { return Ok(()) };
        let (code, reason) = (*code, reason.clone());
        match code / 100 {
            41 | 42 => {
                self.refusals += 1;
                if self.refusals > MAX_REFUSALS {
                    return Err(Stop::Failed(Error::TokenRefused { code, reason }));
                }
                if let Some(token) = &mut self.token {
                    token.refused = Some((code, reason));
                }
                Ok(())
            }
            43 => Err(Stop::Failed(Error::Refused { code, reason })),
            _ => Ok(()),
        }
    }

    async fn deliver(&self, incoming: Incoming) -> Result<(), Stop> {
        self.sender.send(Ok(incoming)).await.map_err(|_| Stop::InboxDropped)
    }
}

/// Returns the address of the live protocol at a query-service.
fn live_address(url: &str) -> Result<Uri, Error> {
    let invalid = || Error::InvalidAddress { url: url.to_owned() };
    let schemes = [("https://", "wss"), ("wss://", "wss"), ("http://", "ws"), ("ws://", "ws")];
    let (scheme, rest) =
        schemes.iter().find_map(|(prefix, scheme)| Some((scheme, url.strip_prefix(prefix)?))).ok_or_else(invalid)?;
    let address = format!("{scheme}://{}/live", rest.trim_end_matches('/')).parse::<Uri>().map_err(|_| invalid())?;
    if address.host().is_some_and(|host| !host.is_empty()) { Ok(address) } else { Err(invalid()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_converted_to_the_url_of_the_live_protocol() {
        for url in ["http://127.0.0.1:8081", "http://127.0.0.1:8081/", "ws://127.0.0.1:8081"] {
            assert_eq!(live_address(url).unwrap().to_string(), "ws://127.0.0.1:8081/live");
        }
        for url in ["https://chat.example", "wss://chat.example/"] {
            assert_eq!(live_address(url).unwrap().to_string(), "wss://chat.example/live");
        }
        for url in ["", "127.0.0.1:8081", "ftp://a", "http://", "http://a b"] {
            assert_eq!(live_address(url), Err(Error::InvalidAddress { url: url.to_owned() }));
        }
    }
}
