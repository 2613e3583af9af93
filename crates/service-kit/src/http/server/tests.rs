//! Tests of connections that are slow, silent, too many or encrypted.

use std::{fs, path::Path};

use axum::{
    extract::WebSocketUpgrade,
    routing::{any, get, post},
};
use clap::Parser;
use futures::future::join_all;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ClientConfig, RootCertStore, crypto, pki_types::CertificateDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};
use tokio_rustls::TlsConnector;

use super::*;
use crate::{extract::Json, http::finish};

/// The timeout of everything.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    listen: ListenArgs,
}

/// Starts a server with these settings and returns its address.
fn start(settings: &[&str]) -> SocketAddr {
    let router = Router::new()
        .route("/", get(async |address: ClientAddress| address.to_string()))
        .route("/greet", post(async |Json(name): Json<String>| name))
        .route(
            "/live",
            any(async |upgrade: WebSocketUpgrade| {
                upgrade.on_upgrade(async |mut live| while live.recv().await.is_some() {})
            }),
        );
    let args = Settings::parse_from(["server"].iter().chain(settings)).listen;
    let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, finish(router), &args, std::future::pending()).unwrap());
    address
}

const ASK: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

const UPGRADE: &str = "GET /live HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                       sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

async fn send(address: SocketAddr, text: &str) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(text.as_bytes()).await.unwrap();
    client
}

/// Reads the next response up to the end of its head, or up to the end of the connection.
async fn head(client: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    let reading = async {
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = client.read_u8().await else { break };
            head.push(byte);
        }
    };
    timeout(PATIENCE, reading).await.expect("an answer or an end");
    String::from_utf8(head).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_heads_and_silent_connections_time_out_without_delaying_others() {
    let address = start(&["--head-timeout", "1"]);
    let begun = Instant::now();
    let trickling = (0..200).map(|_| async move {
        let mut client = send(address, "GET / HTTP/1.1\r\nx-slow: ").await;
        while client.write_all(b"z").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
        begun.elapsed()
    });
    let asking = async {
        let mut slowest = Duration::ZERO;
        while begun.elapsed() < Duration::from_secs(1) {
            let asked = Instant::now();
            assert!(head(&mut send(address, ASK).await).await.starts_with("HTTP/1.1 200"));
            slowest = slowest.max(asked.elapsed());
        }
        slowest
    };
    let silent = async {
        let mut client = send(address, ASK).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200"));
        let mut rest = Vec::new();
        timeout(PATIENCE, client.read_to_end(&mut rest)).await.expect("an idle connection ends").unwrap();
        begun.elapsed()
    };
    let (ended, slowest, silent) = tokio::join!(join_all(trickling), asking, silent);
    let first = ended.into_iter().min().unwrap().min(silent);
    assert!(first > Duration::from_millis(900), "one ended after {first:?}");
    assert!(slowest < first, "others waited {slowest:?}, and the first who was slow ended after {first:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_body_times_out() {
    let address = start(&[]);
    let ask = "POST /greet HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n";
    let (mut answers, mut body) = send(address, ask).await.into_split();
    let trickle = tokio::spawn(async move {
        while body.write_all(b" ").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    });
    let mut answer = String::new();
    timeout(PATIENCE * 2, answers.read_to_string(&mut answer)).await.expect("it ends").unwrap_or_default();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("body-too-slow"), "{answer}");
    trickle.abort();
}

/// Malformed requests that no handler receives, with the status of the response. An empty status means no response.
fn no_requests() -> Vec<(Vec<u8>, &'static str)> {
    let with = |header: &str| format!("GET / HTTP/1.1\r\nhost: x\r\n{header}\r\n\r\n").into_bytes();
    let post = |header: &str| format!("POST /greet HTTP/1.1\r\nhost: x\r\n{header}\r\n\r\n1\r\n0\r\n\r\n").into_bytes();
    let many: Vec<_> = (0..101).map(|number| format!("x-{number}: x")).collect();
    vec![
        (b"NOTHING\r\n\r\n".to_vec(), "400 Bad Request"),
        (b"GET / HTTP/4.0\r\nhost: x\r\n\r\n".to_vec(), "400 Bad Request"),
        (b"GET /\0 HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(), "400 Bad Request"),
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(), "400 Bad Request"),
        (with("no header"), "400 Bad Request"),
        (with("x : x"), "400 Bad Request"),
        (with("x: \0"), "400 Bad Request"),
        (post("content-length: -1"), "400 Bad Request"),
        (post("content-length: 1\r\ncontent-length: 2"), "400 Bad Request"),
        (post("transfer-encoding: gzip"), "400 Bad Request"),
        (format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(1 << 16)).into_bytes(), "414 URI Too Long"),
        (with(&many.join("\r\n")), "431 Request Header Fields Too Large"),
        (with(&format!("x: {}", "x".repeat(HARD_MAX_HEAD))), "431 Request Header Fields Too Large"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), ""),
        (b"GET / HTTP/1.1\r\nhost: ".to_vec(), ""),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_request_gets_only_a_status_and_affects_no_other_connection() {
    let address = start(&["--head-timeout", "1"]);
    let mut other = send(address, UPGRADE).await;
    assert!(head(&mut other).await.starts_with("HTTP/1.1 101"));
    let asking = no_requests().into_iter().map(|(request, status)| async move {
        let mut client = TcpStream::connect(address).await.unwrap();
        // The server may reject the request before all of it is sent.
        let _ = client.write_all(&request).await;
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, client.read_to_end(&mut answer)).await.expect("the connection is closed");
        let (answer, asked) = (String::from_utf8(answer).unwrap(), String::from_utf8_lossy(&request[..9]).into_owned());
        let lines: Vec<&str> = answer.lines().collect();
        match lines.split_first() {
            None => assert_eq!(status, "", "{asked} is not answered"),
            Some((first, headers)) => {
                assert_eq!(*first, format!("HTTP/1.1 {status}"), "{asked}");
                assert!(headers.contains(&"content-length: 0") && headers.contains(&"connection: close"), "{answer}");
                assert!(answer.ends_with("\r\n\r\n"), "there is more: {answer}");
            }
        }
    });
    join_all(asking).await;
    // An empty ping, and its pong.
    other.write_all(&[0x89, 0x80, 1, 2, 3, 4]).await.unwrap();
    let mut pong = [0; 2];
    timeout(PATIENCE, other.read_exact(&mut pong)).await.expect("it goes on").unwrap();
    assert_eq!(pong, [0x8a, 0]);
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_a_websocket_counts_towards_it() {
    let address = start(&["--connections-per-address", "2"]);
    let mut live = send(address, UPGRADE).await;
    assert!(head(&mut live).await.starts_with("HTTP/1.1 101"));
    let mut second = send(address, ASK).await;
    assert!(head(&mut second).await.starts_with("HTTP/1.1 200"));
    let mut third = TcpStream::connect(address).await.unwrap();
    assert!(matches!(timeout(PATIENCE, third.read(&mut [0; 1])).await.unwrap(), Ok(0) | Err(_)));
    drop(live);
    let again = async { while !head(&mut send(address, ASK).await).await.starts_with("HTTP/1.1 200") {} };
    timeout(PATIENCE, again).await.expect("there is room again");

    // A trusted proxy has no limit for its address.
    let address = start(&["--connections-per-address", "2", "--trusted-proxies", "127.0.0.0/8"]);
    let mut connections = join_all((0..5).map(|_| send(address, ASK))).await;
    for connection in &mut connections {
        assert!(head(connection).await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn only_a_trusted_proxy_sets_the_client_address() {
    let ask = "GET / HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 192.0.2.7\r\nconnection: close\r\n\r\n";
    for (settings, client) in [(&[][..], "127.0.0.1"), (&["--trusted-proxies", "127.0.0.0/8"], "192.0.2.7")] {
        let mut answer = String::new();
        send(start(settings), ask).await.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer.lines().last(), Some(client));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_too_much_still_receives_the_response() {
    let address = start(&[]);
    let body = vec![b' '; 10_000_000];
    for (path, status) in [("/greet", "HTTP/1.1 413"), ("/nowhere", "HTTP/1.1 404")] {
        let head_of = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n");
        let mut client = send(address, &format!("{head_of}content-length: {}\r\n\r\n", body.len())).await;
        client.write_all(&body).await.unwrap();
        assert!(head(&mut client).await.starts_with(status));
    }
}

/// A proxy that obeys the other header than the server would take the rest for a request of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_ends_after_a_request_with_two_body_lengths() {
    let address = start(&[]);
    for lengths in
        ["content-length: 3\r\ntransfer-encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 3"]
    {
        let request = format!(
            "POST /greet HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{lengths}\r\n\r\n\
             5\r\n\"ana\"\r\n0\r\n\r\n{ASK}"
        );
        let mut client = send(address, &request).await;
        let mut answers = String::new();
        timeout(PATIENCE, client.read_to_string(&mut answers)).await.expect("the connection ends").unwrap();
        assert!(answers.to_lowercase().contains("connection: close"), "{answers}");
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
    }
}

/// Writes a new certificate for `localhost` and its key, and returns the certificate of its authority.
fn certify(certificate_file: &Path, key_file: &Path) -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    fs::write(certificate_file, certificate.pem()).unwrap();
    fs::write(key_file, key.serialize_pem()).unwrap();
    authority.der().clone()
}

async fn ask_over_tls(address: SocketAddr, authority: &CertificateDer<'static>) -> io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = "localhost".try_into().unwrap();
    let mut client = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    client.write_all(ASK.as_bytes()).await?;
    Ok(head(&mut client).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_served_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let first = certify(&certificate, &key);
    let settings = ["--tls-cert-file", certificate.to_str().unwrap(), "--tls-key-file", key.to_str().unwrap()];
    let address = start(&settings);
    let answer = ask_over_tls(address, &first).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("strict-transport-security"), "{answer}");
    assert!(!head(&mut send(address, ASK).await).await.contains("200"), "nothing is answered in clear");

    // A new certificate without its key is not used.
    let former_key = fs::read(&key).unwrap();
    let second = certify(&certificate, &key);
    let new_key = fs::read(&key).unwrap();
    fs::write(&key, former_key).unwrap();
    ask_over_tls(address, &first).await.unwrap();
    fs::write(&key, new_key).unwrap();
    assert!(ask_over_tls(address, &second).await.unwrap().starts_with("HTTP/1.1 200"));
    ask_over_tls(address, &first).await.unwrap_err();

    fs::write(&key, "no key").unwrap();
    let args = Settings::parse_from(["server"].iter().chain(&settings)).listen;
    let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let refusal = serve(listener, Router::new(), &args, std::future::pending()).err().unwrap().to_string();
    assert!(refusal.contains("key.pem"), "{refusal}");
}
