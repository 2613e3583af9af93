//! `cargo xtask test`: runs every check and every test, and starts the servers that they need.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use clap::Args;
use harness::{
    checkout::Checkout,
    tools::{self, Source},
};
use tokio::process::Command;

use crate::{cargo, circles, client, console, events, leaks, prepare::Prepare, tidy};

const EXAMPLES: &str = "\
Examples:
  cargo xtask test                          everything, as before a merge
  cargo xtask test -- -E 'package(domain)'  the checks, and the tests of one crate
  cargo xtask test -- refuses               the checks, and the tests whose names have this word
  cargo xtask test -- --no-capture live     what comes after -- is for `cargo nextest run`

The tests of pages need Chromium: on the path, or in $BOXROOM_CHROMIUM (a program). Root on Debian gets its package.
The TypeScript client needs Node 20 or later with npm: on the path, or in $BOXROOM_NODE (a program).";

const NEXTEST_MISSING: &str = "\
cargo-nextest is missing: it runs each test in its own process, with a timeout.
Install it with `cargo install --locked cargo-nextest` (some minutes), or put its prebuilt program on the path.
Using `cargo test` instead, which also works";

/// Run every check and every test against real servers.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Test {
    /// Arguments for `cargo nextest run`
    #[arg(last = true)]
    tests: Vec<String>,
}

/// The finished steps and their durations.
#[derive(Default)]
struct Steps(Vec<(&'static str, Duration)>);

impl Test {
    /// Runs all steps; stops at the first failure.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let checkout = Checkout::current()?;
        let mut steps = Steps::default();
        let done = self.steps(&checkout, &mut steps).await;
        console::print(&steps.summary(done.is_ok()));
        done
    }

    async fn steps(&self, checkout: &Checkout, steps: &mut Steps) -> anyhow::Result<()> {
        let cargo = |arguments: &[&str]| {
            let mut command = cargo::cargo(&checkout.repository);
            command.args(arguments);
            command
        };
        steps.run("format", &mut cargo(&["fmt", "--all", "--check"])).await?;
        steps.time("secrets", std::future::ready(leaks::none_in(&checkout.repository))).await?;
        let tidy = tidy::check(&checkout.repository).and_then(|()| circles::check(&checkout.repository));
        steps.time("tidy", std::future::ready(tidy)).await?;
        steps.time("events", std::future::ready(events::check(&checkout.repository))).await?;
        // All checks but advisories, whose database is not available from a registry.
        let mut dependencies = dependencies(checkout.clone()).await?;
        steps.run("dependencies", dependencies.args(["--locked", "check", "bans", "licenses", "sources"])).await?;
        // The servers are fetched before many tests need them at once.
        steps.time("servers", servers(checkout.clone())).await?;
        steps.time("browser", browser()).await?;
        steps.time("typescript", client::test()).await?;
        steps.time("lints and queries", Prepare::lint()).await?;
        let mut docs = cargo(&["doc", "--workspace", "--no-deps"]);
        steps.run("docs", docs.env("RUSTDOCFLAGS", "--deny warnings")).await?;
        // The system tests start the programs.
        steps.run("build", &mut cargo(&["build", "--workspace", "--bins"])).await?;
        steps.time("client types", Box::pin(client::Client { check: true }.generate())).await?;
        let mut tests = self.tests(cargo(&[]), checkout).await?;
        steps.run("tests", &mut tests).await?;
        // nextest does not run doc tests.
        steps.run("doc tests", &mut cargo(&["test", "--workspace", "--doc", "--quiet"])).await
    }

    async fn tests(&self, mut command: Command, checkout: &Checkout) -> anyhow::Result<Command> {
        let mut probe = cargo::cargo(&checkout.repository);
        let probe = probe.args(["nextest", "--version"]).output().await.context("cannot run cargo")?;
        if probe.status.success() {
            command.args(["nextest", "run", "--workspace"]).args(&self.tests);
        } else if self.tests.is_empty() {
            console::print(NEXTEST_MISSING);
            command.args(["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"]);
            command.args(["--", "--test-threads", "2"]);
        } else {
            bail!("{NEXTEST_MISSING}, but not with arguments of nextest");
        }
        Ok(command)
    }
}

async fn servers(checkout: Checkout) -> anyhow::Result<()> {
    let find = move || {
        let nats = tools::nats_server(&checkout, Source::Installed)?;
        let postgres = tools::postgres_server(&checkout, Source::Installed)?;
        let nginx = tools::nginx(&checkout)?;
        console::print(&format!(
            "nats-server is {}, PostgreSQL is in {}, nginx is {}",
            nats.program.display(),
            postgres.bin.display(),
            nginx.display()
        ));
        Ok(())
    };
    tokio::task::spawn_blocking(find).await?
}

/// Prepares the check of dependencies with cargo-deny.
async fn dependencies(checkout: Checkout) -> anyhow::Result<Command> {
    let repository = checkout.repository.clone();
    let program = tokio::task::spawn_blocking(move || tools::cargo_deny(&checkout)).await??;
    let mut command = Command::new(program);
    command.current_dir(repository).args(["--log-level", "error"]);
    Ok(command)
}

/// Finds the browser for the tests of pages.
async fn browser() -> anyhow::Result<()> {
    let program = tokio::task::spawn_blocking(tools::chromium).await??;
    console::print(&format!("Chromium is {}", program.display()));
    Ok(())
}

impl Steps {
    async fn run(&mut self, name: &'static str, command: &mut Command) -> anyhow::Result<()> {
        self.time(name, cargo::run(command)).await
    }

    async fn time(&mut self, name: &'static str, work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
        console::print(name);
        let start = Instant::now();
        let done = work.await;
        self.0.push((name, start.elapsed()));
        done
    }

    fn summary(&self, good: bool) -> String {
        let last = self.0.len().saturating_sub(1);
        let mut text = String::from(if good { "all good" } else { "failed" });
        for (index, (name, time)) in self.0.iter().enumerate() {
            let mark = if good || index < last { "ok" } else { "FAILED" };
            let _ = write!(text, "\n  {name:<12} {:>7.1} s  {mark}", time.as_secs_f64());
        }
        text
    }
}
