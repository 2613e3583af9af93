//! `push-sink`: stands in for FCM, APNs and Web Push during development, and prints each push.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
};

use clap::Parser;
use push_sink::{APNS_KEY_ID, APNS_TEAM_ID, APNS_TOPIC, Options, Received, Sink};

const EXAMPLES: &str = "\
Examples:
  push-sink                                      listen on a free port, keep the keys in .local/push-sink
  push-sink --listen 127.0.0.1:7070              listen on a port
  push-sink --tls                                serve HTTPS; the certificate is ca.pem beside the keys

The folder of the keys has what a sender needs: the service account for FCM (fcm.json), the key for APNs (apns.p8) and a
key for Web Push (vapid.pem).

While it runs, at http://127.0.0.1:7070:
  curl $S/received?after=0                                           all requests, as JSON
  curl $S/subscriptions -X POST                                      a Web Push subscription whose messages it decrypts
  curl $S/subscriptions/$ID -X DELETE                                end it: 410 from now on
  curl $S/behaviour/apns -X PUT --json '{\"status\":410,\"times\":1}'    fail once; others succeed
  curl $S/behaviour/fcm -X PUT --json '{\"status\":429,\"retry_after\":30}'    throttle until told otherwise
  curl $S/behaviour/fcm -X PUT --json '{\"status\":403,\"reason\":\"SENDER_ID_MISMATCH\"}'
  curl $S/behaviour/web-push -X PUT --json '{\"hang_ms\":60000}'       answer after a minute
  curl $S/behaviour/apns -X PUT --json '{\"body_hang_ms\":60000}'      send the headers only, the body after a minute
  curl $S/behaviour/token -X PUT --json '{\"reset\":true,\"times\":2}'   close the next two connections
  curl $S/behaviour/fcm -X DELETE                                    succeed again

Services: token (access tokens for FCM), fcm, apns, web-push.";

/// Stand in for FCM, APNs and a Web Push service, and print each push
#[derive(Debug, Parser)]
#[command(name = "push-sink", after_help = EXAMPLES)]
struct Arguments {
    /// Address to listen on; port 0 is a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    listen: SocketAddr,

    /// Folder of the keys; absent ones are made
    #[arg(long, default_value = ".local/push-sink", value_name = "FOLDER")]
    credentials: PathBuf,

    /// Serve HTTPS with a certificate of its own
    #[arg(long)]
    tls: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { listen, credentials, tls } = Arguments::parse();
    let folder = credentials.display().to_string();
    let observer: Box<dyn Fn(&Received) + Send + Sync> = Box::new(print);
    let options =
        Options { listen, credentials: Some(credentials), tls, observer: Some(observer), ..Options::default() };
    let sink = Sink::start(options).await?;
    let mut out = io::stdout();
    writeln!(out, "Listening on {}, keys in {folder}", sink.address())?;
    writeln!(out, "APNs: key {APNS_KEY_ID}, team {APNS_TEAM_ID}, any topic such as {APNS_TOPIC}")?;
    sink.join().await;
    Ok(())
}

fn print(received: &Received) {
    // Without a reader of the output the sink continues.
    let _ = writeln!(io::stdout(), "{received}");
}
