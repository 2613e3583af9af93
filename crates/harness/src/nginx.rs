//! nginx in front of the services, configured by `deploy/nginx.conf`.

use std::{
    net::TcpStream,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

use crate::{
    certificates::Certificates,
    checkout::{Checkout, Scratch},
    output::Output,
    port::Port,
    process::{Launch, Process},
    tools,
};

/// The time limit of a start.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// The settings of a site that compresses and buffers everything, in one process. The included file follows.
const SITE: &str = "\
daemon off;
master_process off;
pid nginx.pid;
events {}
http {
    log_format requests '$server_protocol $status $upstream_status $uri $sent_http_content_encoding';
    access_log requests.log requests;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    gzip on;
    gzip_proxied any;
    gzip_types *;
    proxy_buffering on;
    include boxroom.conf;
}
";

/// A running nginx at two ports, one for each service. Ends with this value.
#[derive(Debug)]
pub struct Nginx {
    // The process before its files.
    _process: Process,
    ports: [Port; 2],
    scratch: Scratch,
}

impl Nginx {
    /// Starts nginx with certificates of its own, in front of these URLs of a command-service and a query-service.
    pub async fn start(command_url: &str, query_url: &str) -> anyhow::Result<Self> {
        let checkout = Checkout::current()?;
        let program = tokio::task::spawn_blocking({
            let checkout = checkout.clone();
            move || tools::nginx(&checkout)
        });
        let program = program.await??;
        let scratch = Scratch::create()?;
        let folder = scratch.path().to_owned();
        let certificates = Certificates::write(&folder.join("certificates"))?;
        let ports = [Port::reserve(None)?, Port::reserve(None)?];
        let deployed = checkout.repository.join("deploy/nginx.conf");
        let deployed = std::fs::read_to_string(&deployed).context("cannot read deploy/nginx.conf")?;
        let config = adapted(&deployed, [command_url, query_url], &ports, &certificates)?;
        write(&folder.join("boxroom.conf"), &config)?;
        write(&folder.join("nginx.conf"), SITE)?;
        let prefix = folder.clone().into_os_string();
        let launch =
            Launch::new("nginx", program).args(["-p".into(), prefix]).args(["-e", "stderr", "-c", "nginx.conf"]);
        let process = Process::spawn(launch, &Output::Folder(folder.join("logs"))).await?;
        let deadline = Instant::now() + START_TIMEOUT;
        while ports.iter().any(|port| TcpStream::connect(("127.0.0.1", port.number())).is_err()) {
            if let Some(status) = process.exit_status() {
                bail!("nginx exited during startup ({status}):\n{}", process.last_output());
            }
            if Instant::now() > deadline {
                bail!("nginx was not ready after {START_TIMEOUT:?}:\n{}", process.last_output());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        scratch.started();
        Ok(Self { _process: process, ports, scratch })
    }

    /// The URL of the command-service.
    pub fn command_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports[0].number())
    }

    /// The URL of the query-service.
    pub fn query_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports[1].number())
    }

    /// The completed requests, one on each line: protocol, statuses for the client and of the service, path,
    /// encoding of the response.
    pub fn requests(&self) -> anyhow::Result<String> {
        std::fs::read_to_string(self.scratch.path().join("requests.log")).context("cannot read the log of requests")
    }
}

/// Changes addresses, ports and certificates as an administrator would.
fn adapted(
    deployed: &str,
    [command_url, query_url]: [&str; 2],
    ports: &[Port; 2],
    certificates: &Certificates,
) -> anyhow::Result<String> {
    let mut config = deployed.to_owned();
    let mut replace = |from: &str, to: &str| {
        anyhow::ensure!(config.contains(from), "deploy/nginx.conf does not contain {from}");
        config = config.replacen(from, to, 1);
        Ok(())
    };
    let listen = |port: &Port| format!("listen 127.0.0.1:{} ssl;", port.number());
    replace("server 127.0.0.1:8080;", &format!("server {};", command_url.trim_start_matches("http://")))?;
    replace("server 127.0.0.1:8081;", &format!("server {};", query_url.trim_start_matches("http://")))?;
    for port in ports {
        replace("listen 443 ssl;", &listen(port))?;
        let pair = &certificates.server;
        replace("ssl_certificate /etc/nginx/chat.pem;", &format!("ssl_certificate {};", pair.certificate.display()))?;
        replace(
            "ssl_certificate_key /etc/nginx/chat-key.pem;",
            &format!("ssl_certificate_key {};", pair.key.display()),
        )?;
    }
    Ok(config)
}

fn write(path: &Path, content: &str) -> anyhow::Result<()> {
    std::fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}
