//! Starts real servers and services for development, tests and benchmarks. Production code must not use it.
//!
//! Every child ends with the value that holds it. On Linux with `setpriv`, also when this process is killed.

pub mod stack;

pub mod browser;
pub mod nats;
pub mod nginx;
pub mod postgres;

pub mod certificates;
pub mod checkout;
mod command;
pub mod output;
pub mod port;
pub mod process;
pub mod secrets;
pub mod small_disk;
mod spawner;
pub mod token;
pub mod tools;

pub use browser::{Browser, Page};
pub use certificates::Certificates;
pub use nats::{Account, Nats};
pub use nginx::Nginx;
pub use postgres::{Postgres, Role};
pub use secrets::Secrets;
pub use stack::{ServiceId, Stack, StackOptions};
