//! A running sink.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use rustls::pki_types::CertificateDer;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    behaviour::{Behaviour, Behaviours},
    credentials::Credentials,
    records::{Received, Records, Service},
    routes,
    server::{Tls, serve},
    state::{Observer, State},
    subscriptions::{Subscription, Subscriptions},
    token::Issued,
};

/// The file with the certificate of a sink that serves TLS.
const CERTIFICATE_FILE: &str = "ca.pem";

/// The settings of a sink.
pub struct Options {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The folder of the keys, which are made if they are absent. Without one they are made anew.
    pub credentials: Option<PathBuf>,
    /// True to serve TLS.
    pub tls: bool,
    /// The lifetime of access tokens for FCM.
    pub token_lifetime: Duration,
    /// Called with every request.
    pub observer: Option<Observer>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            credentials: None,
            tls: false,
            token_lifetime: Duration::from_hours(1),
            observer: None,
        }
    }
}

/// A running sink. It stops when it is dropped.
pub struct Sink {
    state: Arc<State>,
    certificate: Option<CertificateDer<'static>>,
    server: JoinHandle<()>,
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Sink {
    /// Listens and serves.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let Options { listen, credentials: folder, tls, token_lifetime, observer } = options;
        let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        let scheme = if tls { "https" } else { "http" };
        let address = format!("{scheme}://{}", listener.local_addr()?);
        let tls = tls.then(Tls::new).transpose()?;
        let credentials = match &folder {
            Some(folder) => Credentials::in_folder(folder),
            None => Credentials::generate(),
        };
        let state = Arc::new(State {
            address,
            credentials: credentials.context("the credentials cannot be used")?,
            token_lifetime,
            issued: Issued::default(),
            subscriptions: Subscriptions::default(),
            behaviours: Behaviours::default(),
            records: Records::default(),
            connections: AtomicU64::default(),
            observer,
        });
        if let Some(folder) = &folder {
            state.credentials.write_service_account(folder, &state.token_uri())?;
            if let Some(tls) = &tls {
                fs::write(folder.join(CERTIFICATE_FILE), &tls.pem)?;
            }
        }
        let acceptor = tls.as_ref().map(Tls::acceptor);
        let server = tokio::spawn(serve(listener, routes::router(state.clone()), state.clone(), acceptor));
        Ok(Self { state, certificate: tls.map(|tls| tls.certificate), server })
    }

    /// The address of all services, without a slash at its end.
    pub fn address(&self) -> &str {
        &self.state.address
    }

    /// The certificate, if the sink serves TLS. It is its own authority.
    pub fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.certificate.as_ref()
    }

    /// The JSON of a service account for FCM.
    pub fn service_account(&self) -> anyhow::Result<String> {
        self.state.credentials.service_account(&self.state.token_uri())
    }

    /// The private key for APNs, in PEM form.
    pub fn apns_key(&self) -> &str {
        &self.state.credentials.apns.private
    }

    /// Makes a Web Push subscription, to which only the given key may send. None if there are too many.
    pub fn subscribe(&self, application_server_key: Option<String>) -> Option<Subscription> {
        self.state.subscriptions.add(&self.state.address, application_server_key)
    }

    /// Ends the subscription with an endpoint.
    pub fn unsubscribe(&self, endpoint: &str) {
        let id = endpoint.rsplit('/').next().unwrap_or_default();
        self.state.subscriptions.end(id);
    }

    /// Sets the behaviour of a service.
    pub fn behave(&self, service: Service, behaviour: Behaviour) {
        self.state.behaviours.set(service, Some(behaviour));
    }

    /// Returns the requests to a service, among the last ones of all services.
    pub fn received(&self, service: Service) -> Vec<Received> {
        let mut received = self.state.records.after(0);
        received.retain(|received| received.service == service);
        received
    }

    /// The number of accepted connections.
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// Serves until the server ends, which it does only by a panic.
    pub async fn join(mut self) {
        let _ = (&mut self.server).await;
    }
}
