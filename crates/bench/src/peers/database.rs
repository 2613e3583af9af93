//! A PostgreSQL server of a peer, with its default settings.

use harness::{
    Postgres, Role,
    checkout::{Checkout, Scratch},
    output::Output,
    port::Port,
    postgres::PostgresOptions,
    tools::{self, Source},
};

/// A running server. It ends with this value.
pub(super) struct Database {
    server: Postgres,
    /// Declared after the server, which uses its files.
    _scratch: Scratch,
}

impl Database {
    /// Starts an empty server that syncs each commit to the disk.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let (checkout, scratch) = (Checkout::current()?, Scratch::create()?);
        let options = PostgresOptions {
            server: tools::postgres_server(&checkout, Source::Installed)?,
            folder: scratch.path().join("postgres"),
            port: Port::reserve(None)?,
            durable: true,
            account: checkout.account,
            certificates: None,
            output: Output::Folder(scratch.logs()),
        };
        let server = Postgres::open(options).await?;
        scratch.started();
        Ok(Self { server, _scratch: scratch })
    }

    /// The URL with the superuser's credentials.
    pub(super) fn url(&self) -> String {
        self.server.url(Role::Admin)
    }

    /// The process id.
    pub(super) async fn pid(&self) -> Option<i32> {
        self.server.pid().await
    }
}
