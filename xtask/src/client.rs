//! `cargo xtask client`: writes the types of the TypeScript client from the descriptions of the services.

use clap::Args;
use harness::{Stack, StackOptions, checkout::Checkout, tools};

use crate::{cargo, console};

const EXAMPLES: &str = "\
Examples:
  cargo xtask client            after a change of the HTTP API or of a live frame
  cargo xtask client --check    fails if clients/typescript/src/generated is out of date";

/// Update the types of the TypeScript client from the descriptions of the services.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Client {
    /// Change nothing; fail if the files are out of date
    #[arg(long)]
    pub(crate) check: bool,
}

impl Client {
    /// Builds and starts the services, and generates or compares the files.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        cargo::build_services(&Checkout::current()?.repository, false).await?;
        self.generate().await
    }

    /// Starts the services as they were built, and generates or compares the files.
    pub(crate) async fn generate(self) -> anyhow::Result<()> {
        let checkout = Checkout::current()?;
        let stack = Box::pin(Stack::start(StackOptions::default())).await?;
        let (command, query) = (stack.command_url(0), stack.query_url(0));
        tokio::task::spawn_blocking(move || {
            let package = tools::install_typescript_client(&checkout)?;
            let mut arguments = vec!["run", "generate", "--", "--command", &command, "--query", &query];
            arguments.extend(self.check.then_some("--check"));
            tools::npm(&package, &arguments)
        })
        .await??;
        let done = if self.check { "are up to date" } else { "are written" };
        console::print(&format!("the types of clients/typescript {done}"));
        Ok(())
    }
}

/// Compiles the client, its hooks for React and the web page, and runs their tests that need no services.
pub(crate) async fn test() -> anyhow::Result<()> {
    let checkout = Checkout::current()?;
    let run = move || {
        let node = tools::node()?;
        console::print(&format!("Node is {}", node.program.display()));
        let package = tools::install_typescript_client(&checkout)?;
        tools::npm(&package, &["test"])?;
        tools::build_page(&checkout)?;
        tools::npm(&checkout.repository.join("web"), &["run", "check"])?;
        tools::npm(&checkout.repository.join("clients/react"), &["test"])
    };
    tokio::task::spawn_blocking(run).await?
}
