//! NATS protocol without the client library: sends any lines, and reads the server's rejections in order.

use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

use harness::{Account, Nats};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A connection of one account.
pub(super) struct Wire {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Wire {
    pub(super) async fn connect(nats: &Nats, account: Account) -> Self {
        let address: async_nats::ServerAddr = nats.url(account).parse().unwrap();
        let (reader, writer) = TcpStream::connect(("127.0.0.1", nats.port())).await.unwrap().into_split();
        let mut wire = Self { reader: BufReader::new(reader), writer };
        let hello = json!({
            "user": address.username(), "pass": address.password(), "verbose": false, "pedantic": false,
            "headers": true, "no_responders": true, "lang": "test", "version": "0", "protocol": 1,
        });
        assert!(wire.refused(format!("CONNECT {hello}\r\n")).await.is_empty());
        wire
    }

    /// Publishes on all of these subjects, and returns the rejected ones.
    pub(super) async fn refused_to_publish(
        &mut self,
        subjects: &BTreeSet<String>,
        reply: Option<&str>,
    ) -> BTreeSet<String> {
        let reply = reply.map(|reply| format!(" {reply}")).unwrap_or_default();
        let lines = subjects.iter().fold(String::new(), |mut lines, subject| {
            let _ = write!(lines, "PUB {subject}{reply} 0\r\n\r\n");
            lines
        });
        self.refused(lines).await
    }

    /// Subscribes to all of these subjects, and returns the rejected ones.
    pub(super) async fn refused_to_subscribe(&mut self, subjects: &BTreeSet<String>) -> BTreeSet<String> {
        let lines = subjects.iter().enumerate().fold(String::new(), |mut lines, (number, subject)| {
            let _ = write!(lines, "SUB {subject} {number}\r\n");
            lines
        });
        self.refused(lines).await
    }

    /// Sends the lines, and reads until the server has processed them.
    async fn refused(&mut self, lines: String) -> BTreeSet<String> {
        let talk = async {
            self.writer.write_all((lines + "PING\r\n").as_bytes()).await.unwrap();
            let (mut refused, mut line) = (BTreeSet::new(), String::new());
            loop {
                line.clear();
                assert_ne!(self.reader.read_line(&mut line).await.unwrap(), 0, "the server hangs up");
                if line.starts_with("PONG") {
                    return refused;
                }
                if line.starts_with("-ERR") {
                    let subject = line.split('"').nth(1).unwrap_or_else(|| panic!("{line}"));
                    assert!(line.contains("Permissions Violation"), "{line}");
                    refused.insert(subject.to_owned());
                }
            }
        };
        timeout(PATIENCE, talk).await.expect("the server answers")
    }
}
